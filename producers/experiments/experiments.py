"""Experiments of the log, and new records of them for `control`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from stream_rec.bus.decisions import last_of_each, read_decisions
from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError
from stream_rec.producers.decisions.said import said_of, who
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import EXPERIMENT, Decision
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.faults import did_you_mean
from stream_rec.schemas.records import Control
from stream_rec.schemas.topics import Ack
from stream_rec.settings import Settings
from stream_rec.trials.assignment import free_slot, neighbours
from stream_rec.trials.states import Move, moved, redefined


@dataclass(frozen=True, slots=True)
class Known:
    """The last record of an experiment.

    Attributes:
        offset: on `control`.
        ts: when it was decided, seconds since the epoch.
        by: who decided it.
        note: why.
        experiment: what it is since then.
    """

    offset: int
    ts: float
    by: str
    note: str
    experiment: Experiment


class Experiments:
    """The experiments of a tenant.

    Args:
        settings: addresses.
        clock: stamps what is decided.
        by: who decides; empty = the user of this process.

    Raises:
        ConfigError, Unavailable: as `read_decisions`.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None, *, by: str = "") -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._by = by or who()
        last = last_of_each(
            [each for each in read_decisions(settings.bus, settings.ingest) if each.kind == EXPERIMENT]
        )
        self._known = dict(_known(last))

    def all(self) -> Mapping[str, Known]:
        """By name."""
        return self._known

    def one(self, name: str) -> Known:
        """One of them.

        Raises:
            ConfigError: there is none of this name.
        """
        if name not in self._known:
            raise ConfigError(
                f"no experiment is called {name!r}",
                fix=did_you_mean(name, sorted(self._known)) or "`stream-rec experiment list`",
            )
        return self._known[name]

    def placed(self, wanted: Mapping[str, Experiment]) -> dict[str, tuple[Experiment | None, Experiment]]:
        """What each is now, and what it would be: with the state that it has, and where its layer has room.

        Raises:
            ConfigError: it is live or over, and must not change so; or its layer has no room beside live ones.
        """
        now = {name: known.experiment for name, known in self._known.items()}
        found: dict[str, tuple[Experiment | None, Experiment]] = {}
        for name, experiment in wanted.items():
            before = now.get(name)
            if before is not None and before.is_live and not experiment.slot:
                experiment = msgspec.structs.replace(experiment, slot=before.slot)
            after = redefined(name, before, experiment)
            found[name] = (before, _with_room(name, after, now))
        return found

    def apply(self, wanted: Mapping[str, Experiment], note: str = "") -> list[Ack]:
        """Publish these; where each record stands, in their order.

        Raises:
            ContractError, Unavailable, ConfigError: as `Publisher.publish`.
        """
        records = [
            Control(EXPERIMENT, name, self._clock.now(), msgspec.to_builtins(each), by=self._by, note=note)
            for name, each in wanted.items()
        ]
        with Publisher(self._settings.bus, self._settings.ingest) as publisher:
            return publisher.publish_all(records)

    def move(self, name: str, move: Move, *, winner: str = "", note: str = "") -> tuple[Experiment, Ack]:
        """Move an experiment to another state: what it is then, and where the record stands.

        Raises:
            ConfigError: there is none of this name, the move is not allowed, there is no such arm, or its layer has no
                room beside those that are live; else as `apply`.
        """
        before = self.one(name).experiment
        after = moved(name, before, move, self._clock.now(), winner=winner)
        if after.is_live and not before.is_live:
            others = {other: known.experiment for other, known in self._known.items()}
            after = _with_room(name, after, others)
        (ack,) = self.apply({name: after}, note)
        return after, ack


def _with_room(name: str, experiment: Experiment, others: Mapping[str, Experiment]) -> Experiment:
    """Where it is if nobody else has these users; else, before it has begun, where nobody else is."""
    beside = neighbours(name, experiment, others)
    if not beside and experiment.slot + experiment.traffic <= 1 + 1e-9:
        return experiment
    slot = None if experiment.started and others[name].is_live else free_slot(name, experiment, others)
    if slot is None:
        raise ConfigError(
            f"layer {experiment.layer} has no room for {experiment.traffic:.0%} of its users"
            + (f" beside {', '.join(beside)}" if beside else f" from slot {experiment.slot:g} on"),
            fix="give it less traffic or another layer, or stop another one",
        )
    return msgspec.structs.replace(experiment, slot=slot)


def _known(last: Mapping[tuple[str, str], Decision]) -> Iterator[tuple[str, Known]]:
    for (_, name), record in sorted(last.items()):
        if isinstance(record.body, Experiment):
            said = said_of(record)
            yield name, Known(record.offset, said.ts, said.by, said.note, record.body)
