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
from stream_rec.schemas.decisions import EXPERIMENT, SCENARIO, Decision
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.faults import did_you_mean
from stream_rec.schemas.records import Control
from stream_rec.schemas.topics import Ack
from stream_rec.settings import Settings
from stream_rec.trials.assignment import free_slot, neighbours
from stream_rec.trials.rankers import MAX_RANKERS, in_the_way
from stream_rec.trials.states import Move, NotAllowed, moved, redefined


class UnknownExperiment(ConfigError):
    """No record says anything of an experiment of this name."""


@dataclass(frozen=True, slots=True)
class Known:
    """A record of an experiment.

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


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of an experiment that was applied.

    Attributes:
        before: what it was; None = it is new.
        after: what it is.
        offset: of its record on `control`; None = nothing has changed.
    """

    before: Experiment | None
    after: Experiment
    offset: int | None


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
        decisions = read_decisions(settings.bus, settings.ingest)
        self._records = [each for each in decisions if each.kind == EXPERIMENT]
        last = last_of_each(self._records)
        self._known = {name: found for (_, name), each in sorted(last.items()) for found in _known(each)}
        rules = last_of_each([each for each in decisions if each.kind == SCENARIO])
        self._scenarios = {*settings.engine.scenarios}.difference(name for _, name in rules)
        self._scenarios |= {name for (_, name), each in rules.items() if each.body is not None}

    def all(self) -> Mapping[str, Known]:
        """By name."""
        return self._known

    def history(self, name: str) -> list[Known]:
        """What was decided of it, oldest first, as far as the log has it."""
        return [found for each in self._records if each.name == name for found in _known(each)]

    def one(self, name: str) -> Known:
        """One of them.

        Raises:
            UnknownExperiment: there is none of this name.
        """
        if name not in self._known:
            raise UnknownExperiment(
                f"no experiment is called {name!r}",
                fix=did_you_mean(name, sorted(self._known)) or "`stream-rec experiment list`",
            )
        return self._known[name]

    def unknown_scenarios(self, name: str, experiment: Experiment) -> list[str]:
        """What is to be told of an experiment's scenarios that there are not: it has no users there."""
        return [
            f"no scenario is called {scenario!r}"
            f"{f' ({guess})' if (guess := did_you_mean(scenario, sorted(self._scenarios))) else ''}: "
            f"{name} has no users there until there is one"
            for scenario in experiment.scenarios
            if scenario not in self._scenarios
        ]

    def apply(self, wanted: Mapping[str, Experiment], note: str = "") -> dict[str, Applied]:
        """Publish those that change something: with the state that they have, and where their layers have room.

        Raises:
            NotAllowed: one is live or over, and must not change so; its layer has no room beside live ones; or there
                are no rankers left for its arms.
            ContractError, Unavailable, ConfigError: as `Publisher.publish`.
        """
        placed = {name: self._placed(name, each) for name, each in wanted.items()}
        changed = {name: after for name, (before, after) in placed.items() if before != after}
        acks = dict(zip(changed, self._publish(changed, note), strict=True))
        return {
            name: Applied(before, after, acks[name].offset if name in acks else None)
            for name, (before, after) in placed.items()
        }

    def move(self, name: str, move: Move, *, winner: str = "", note: str = "") -> tuple[Experiment, Ack]:
        """Move an experiment to another state: what it is then, and where the record stands.

        Raises:
            UnknownExperiment: there is none of this name.
            UnknownArm: the winner is none of its arms.
            NotAllowed: not in its state, or there is no room beside those that are live, as `apply`; else as there.
        """
        before = self.one(name).experiment
        after = moved(name, before, move, self._clock.now(), winner=winner)
        if after.is_live and not before.is_live:
            others = {other: known.experiment for other, known in self._known.items()}
            after = _with_room(name, after, others)
            _check_rankers(name, after, others)
        (ack,) = self._publish({name: after}, note)
        return after, ack

    def _placed(self, name: str, wanted: Experiment) -> tuple[Experiment | None, Experiment]:
        """What it is now, and what it would be."""
        now = {each: known.experiment for each, known in self._known.items()}
        before = now.get(name)
        if before is not None and before.is_live and not wanted.slot:
            wanted = msgspec.structs.replace(wanted, slot=before.slot)
        placed = _with_room(name, redefined(name, before, wanted), now)
        _check_rankers(name, placed, now)
        return before, placed

    def _publish(self, wanted: Mapping[str, Experiment], note: str) -> list[Ack]:
        if not wanted:
            return []
        records = [
            Control(EXPERIMENT, name, self._clock.now(), msgspec.to_builtins(each), by=self._by, note=note)
            for name, each in wanted.items()
        ]
        with Publisher(self._settings.bus, self._settings.ingest) as publisher:
            return publisher.publish_all(records)


def _with_room(name: str, experiment: Experiment, others: Mapping[str, Experiment]) -> Experiment:
    """Where it is if nobody else has these users; else, before it has begun, where nobody else is."""
    beside = neighbours(name, experiment, others)
    if not beside and experiment.slot + experiment.traffic <= 1 + 1e-9:
        return experiment
    slot = None if experiment.started and others[name].is_live else free_slot(name, experiment, others)
    if slot is None:
        raise NotAllowed(
            f"layer {experiment.layer} has no room for {experiment.traffic:.0%} of its users"
            + (f" beside {', '.join(beside)}" if beside else f" from slot {experiment.slot:g} on"),
            fix="give it less traffic or another layer, or stop another one",
        )
    return msgspec.structs.replace(experiment, slot=slot)


def _check_rankers(name: str, experiment: Experiment, others: Mapping[str, Experiment]) -> None:
    """Arms without a ranker of their own would be ranked by the engine's, as the control: a comparison of nothing."""
    if beside := in_the_way(name, experiment, others):
        n = sum(arm.ranks for arm in experiment.arms)
        raise NotAllowed(
            f"experiment {name} has {n} arms with `sources` or `learning_rate`, each with a ranker of its own: "
            f"there are {MAX_RANKERS} at most, and {', '.join(beside)} have too many of them",
            fix="stop one of these, or let fewer arms change `sources` and `learning_rate`; a shipped arm keeps its "
            "ranker until another one with a ranker is shipped in its scenarios",
        )


def _known(record: Decision) -> Iterator[Known]:
    """Nothing if it says that the experiment is no more."""
    if isinstance(record.body, Experiment):
        said = said_of(record)
        yield Known(record.offset, said.ts, said.by, said.note, record.body)
