"""What is normal for each metric outlives the worker that has learned it: a record of `control`, once a day."""

from __future__ import annotations

from functools import partial

import msgspec

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.output.emitter import Emitter, Outgoing
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.decisions import Recorded
from stream_rec.errors import ContractError
from stream_rec.feedback.baselines import VERSION, as_text, from_text
from stream_rec.feedback.measures import Measures
from stream_rec.feedback.watches import Watch
from stream_rec.schemas.baseline import Baseline
from stream_rec.schemas.codec import encode
from stream_rec.schemas.decisions import BASELINE
from stream_rec.schemas.records import Control, TopicName
from stream_rec.schemas.topics import key_of

_TOPIC: TopicName = "control"
BY = "drift"
EVERY_SECONDS = 86_400.0
"""A metric's record is renewed so often: what a worker that is killed has learned since is lost, of weeks."""
LEAST_VALUES = 4_000
"""Fewer say nothing yet."""
STALE_SECONDS = 8 * 7 * EVERY_SECONDS
"""A record that nobody renews is of a metric that is no more, and is taken back."""
_DAY_MS = 1000 * int(EVERY_SECONDS)


class Baselines:
    """Hands on what the tests for lasting changes have learned.

    Every worker takes over what a record says of a metric that it watches, if it knows less: half as many values, or
    none of the day before the record. So a worker that starts, or that gets its first partitions, goes on where another
    one was. The leading worker writes: of metrics that it watches, what it knows.

    Args:
        engine: knows the records.
        measures: has the tests.
        emitter: takes the records.
        table: does this worker lead?
        clock: stamps the records, and says when they are due.
    """

    def __init__(
        self,
        engine: EngineThread[Engine],
        measures: Measures,
        emitter: Emitter,
        table: PartitionTable,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._measures = measures
        self._emitter = emitter
        self._table = table
        self._clock = clock
        self._said: dict[str, float] = {}
        self._looked_at: dict[str, int] = {}
        self._log = logs.get("measure")

    async def look(self) -> int:
        """Take over what is known better elsewhere, and publish what is due; how many records. Every second or so."""
        found = await self._engine.ask(partial(self._due, self._clock.now(), self._table.leads))
        for record in found:
            await self._emitter.send([record], record.key.decode())
        return len(found)

    def _due(self, now: float, leads: bool, engine: Engine) -> list[Outgoing]:
        """Engine's thread."""
        recorded = engine.decisions.baselines
        watches = self._measures.watches.all()
        for metric, watch in watches.items():
            if metric in recorded:
                self._take_over(metric, watch, recorded[metric], engine)
        if not leads:
            return []
        due = [
            self._record(metric, watch, now)
            for metric, watch in watches.items()
            if self._is_due(metric, watch, recorded.get(metric), now)
        ]
        gone = [
            Outgoing(_TOPIC, f"{BASELINE}/{metric}".encode(), None)
            for metric, each in recorded.items()
            if metric not in watches
            and now - each.broker_ts / 1000 > STALE_SECONDS
            and self._may_say(metric, now)
        ]
        return due + gone

    def _take_over(self, metric: str, watch: Watch, recorded: Recorded, engine: Engine) -> None:
        """Each record is looked at once for each time that the worker knows less."""
        knows_less = (
            2 * watch.n_values < recorded.baseline.values or watch.last_ms < recorded.broker_ts - _DAY_MS
        )
        if not knows_less or self._looked_at.get(metric) == recorded.offset:
            return
        self._looked_at[metric] = recorded.offset
        has_changed = engine.decisions.alarms.raised.get(metric, -1) > recorded.broker_ts
        try:
            if recorded.baseline.version != VERSION:
                raise ContractError(
                    "bad_body", f"it is of version {recorded.baseline.version}, not {VERSION}"
                )
            watch.restore(from_text(recorded.baseline.state), recorded.broker_ts, has_changed=has_changed)
        except ContractError as error:
            self._log.warning(
                "what is normal for a metric cannot be taken over: it is learned anew, for weeks",
                metric=metric,
                why=error.detail,
                fix="workers of one release write and read the same; docs/alarms.md",
            )
            return
        self._log.info("what is normal for a metric was taken over", metric=metric, values=watch.n_values)

    def _is_due(self, metric: str, watch: Watch, recorded: Recorded | None, now: float) -> bool:
        if watch.n_values < LEAST_VALUES:
            return False
        if recorded is not None:
            is_newer = (
                recorded.baseline.version > VERSION
            )  # a later release has written it, and others may need it
            has_news = watch.last_ms > recorded.broker_ts
            if is_newer or not has_news or now - recorded.broker_ts / 1000 < EVERY_SECONDS:
                return False
        return self._may_say(metric, now)

    def _may_say(self, metric: str, now: float) -> bool:
        """Not while what was said is on its way."""
        if now - self._said.get(metric, float("-inf")) < EVERY_SECONDS:
            return False
        self._said[metric] = now
        return True

    def _record(self, metric: str, watch: Watch, now: float) -> Outgoing:
        baseline = Baseline(VERSION, watch.n_values, as_text(watch.snapshot()))
        record = Control(BASELINE, metric, now, msgspec.to_builtins(baseline), by=BY)
        return Outgoing(_TOPIC, key_of(record), encode(record))
