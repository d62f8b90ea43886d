"""Experiments move on by rule: ramped, rolled back, shipped by records on `control`, from one worker at a time."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import msgspec

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.output.emitter import Emitter, Outgoing
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.arms.readings import decided
from stream_rec.engine.engine import Engine
from stream_rec.schemas.codec import encode
from stream_rec.schemas.decisions import EXPERIMENT
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.records import Control, TopicName
from stream_rec.schemas.topics import key_of
from stream_rec.trials.decide import Decided

_TOPIC: TopicName = "control"
BY = "rules"
"""Who has decided, in the records."""
AGAIN_SECONDS = 60.0
"""A decision whose record has not come back after so long is taken again."""


class _Asked(NamedTuple):
    """A decision whose record is on its way: of which state of the experiment, and since when (monotonic)."""

    of: Experiment
    at: float


class TrialDecisions:
    """Looks at the outcomes of live experiments, which every worker has counted, and publishes what the rules say.

    The worker that owns `control` does so; all state is in the records, so another one goes on where it ended. Should
    two do so at once, they say the same.

    Args:
        engine: the experiments, and what was counted.
        emitter: takes the records.
        table: is `control` ours?
        clock: how long an experiment has run, by its records.
    """

    def __init__(
        self, engine: EngineThread[Engine], emitter: Emitter, table: PartitionTable, clock: Clock
    ) -> None:
        self._engine = engine
        self._emitter = emitter
        self._table = table
        self._clock = clock
        self._asked: dict[str, _Asked] = {}
        self._log = logs.get("measure")

    async def look(self) -> int:
        """Decide what is due; how many experiments have moved. Call every second or so."""
        if not self._table.owns(_TOPIC, 0):
            self._asked.clear()
            return 0
        moved = await self._engine.ask(partial(self._due, self._clock.now(), self._clock.monotonic()))
        for name, said in moved.items():
            record = Control(
                EXPERIMENT, name, self._clock.now(), msgspec.to_builtins(said.after), by=BY, note=said.why
            )
            await self._emitter.send(
                [Outgoing(_TOPIC, key_of(record), encode(record))], f"{EXPERIMENT}/{name}"
            )
            tell = self._log.warning if said.after.state == "rolled_back" else self._log.info
            tell(
                "an experiment has moved by rule",
                experiment=name,
                rule=said.rule,
                state=said.after.state,
                share=said.after.share,
                winner=said.after.winner or None,
                why=said.why,
            )
        return len(moved)

    def _due(self, now: float, monotonic: float, engine: Engine) -> dict[str, Decided]:
        """What changes now, by experiment. Engine's thread."""
        moved = {}
        live = {name: each for name, each in engine.decisions.experiments.items() if each.share > 0}
        self._asked = {name: each for name, each in self._asked.items() if live.get(name) == each.of}
        for name, experiment in live.items():
            asked = self._asked.get(name)
            if asked is not None and monotonic - asked.at < AGAIN_SECONDS:
                continue
            said = decided(engine, name, experiment, now)
            if said.after != experiment:
                self._asked[name] = _Asked(experiment, monotonic)
                moved[name] = said
        return moved
