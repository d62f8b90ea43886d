"""Time travel: snapshot, journal and log restore the state at a moment of the past, bit for bit.

The journal has the order in which a worker learned. Without one, or behind its end, records are merged by the broker's
timestamps: every event is learned once, each partition's in its order, but not in that worker's order between them; the
state is then equivalent, not identical (docs/time-travel.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from stream_rec.bus.batch import Fetched
from stream_rec.bus.skips import leave_out, merged
from stream_rec.bus.stretches import Bounds, Stretches
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of
from stream_rec.errors import ConfigError
from stream_rec.history.journal.file import Drifted, Entry, Forgot, Run, Skips
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import decode
from stream_rec.settings import IngestSettings


class Goal(Protocol):
    """Where to stop learning."""

    @property
    def ms(self) -> int:
        """Nothing that the broker took later is needed; ms since the epoch."""

    def allows(self, tp: TopicPartition, timestamp: int, offset: int) -> bool:
        """Whether this record may be learned."""

    def is_reached(self, positions: Mapping[TopicPartition, int]) -> bool:
        """Whether everything is learned that should be."""


@dataclass(frozen=True, slots=True)
class UntilTime:
    """All that the engine had learned before it learned anything that the broker took after `ms`."""

    ms: int

    def allows(self, _tp: TopicPartition, timestamp: int, _offset: int) -> bool:
        """Not later than that."""
        return timestamp <= self.ms

    def is_reached(self, _positions: Mapping[TopicPartition, int]) -> bool:
        """Only a record that came later tells."""
        return False


@dataclass(frozen=True, slots=True)
class UntilEvent:
    """All that the engine had learned when it had just learned one event, which the broker took at `ms`.

    Attributes:
        partition, offset: of the event.
        ms: when the broker took it.
        rules: offset of the last decision that it knew; decisions may be later than the event.
    """

    partition: int
    offset: int
    ms: int
    rules: int = -1

    def allows(self, tp: TopicPartition, _timestamp: int, offset: int) -> bool:
        """Nothing behind it in its partition; of others, whatever was learned before it."""
        if tp.topic == "control":
            return offset <= self.rules
        return tp != ("events", self.partition) or offset <= self.offset

    def is_reached(self, positions: Mapping[TopicPartition, int]) -> bool:
        """It is learned, and the decision is."""
        known = positions.get(TopicPartition("control", 0), 0) > self.rules
        return known and positions.get(TopicPartition("events", self.partition), 0) > self.offset


@dataclass(slots=True)
class Rebuilding:
    """An engine on its way to a goal.

    Attributes:
        engine: as it began; learns.
        rules: validation as it was then; otherwise other records become dead letters.
        log: from the engine's positions on.
        bounds: of the log.
        goal: where to stop.
        learned: records by topic.
        gone: records by partition that the log no longer holds: deleted or compacted away.
        merged: records that were put into order by their timestamps.
        drifted: number of drift marks (the served hit-rate fell).
        last_ms: the latest timestamp learned.
    """

    engine: Engine
    rules: IngestSettings
    log: Stretches
    bounds: Bounds
    goal: Goal
    learned: Counter[str] = field(default_factory=Counter)
    gone: Counter[TopicPartition] = field(default_factory=Counter)
    merged: int = 0
    drifted: int = 0
    last_ms: int = 0

    def follow(self, entries: Iterable[Entry]) -> bool:
        """Learn in the order of a journal; True when the goal was reached, False when the journal ended before.

        Raises:
            ConfigError: the log ends before the journal does.
        """
        if self.goal.is_reached(self.engine.position):
            return True
        for entry in entries:
            match entry:
                case Drifted():
                    self.engine.on_drift()
                    self.drifted += 1
                case Forgot():
                    self._forget(entry.user_hash)
                case Skips():
                    self.skip(entry.ranges)
                case Run():
                    if self._run(entry):
                        return True
        return False

    def skip(self, ranges: Iterable[object]) -> None:
        """Leave out these records, too, from here on."""
        self.rules = self.rules.model_copy(update={"skip": merged(self.rules.skip, ranges)})

    def merge(self) -> None:
        """Learn the rest by the broker's timestamp, partition and offset, up to the goal."""
        for tp, (begin, _) in self.bounds.items():
            if n := self._pass_over(tp, begin):
                self.gone[tp] += n
        heads = {tp: head for tp in self.bounds if (head := self.log.head(tp)) is not None}
        while heads and not self.goal.is_reached(self.engine.position):
            order = {tp: (ts, tp.partition, offset, tp.topic) for tp, (ts, offset) in heads.items()}
            tp = min(order, key=order.__getitem__)
            if heads[tp][0] > self.goal.ms:
                return
            self._merge_from(tp, min((at for w, at in order.items() if w != tp), default=None))
            head = self.log.head(tp)
            if head is None:
                del heads[tp]
            else:
                heads[tp] = head

    def is_behind(self, seconds: float) -> bool:
        """Does any partition hold a record that is older than the goal's time by so much, and was not learned yet?"""
        heads = [self.log.head(tp) for tp in self.bounds]
        return any(head is not None and head[0] < self.goal.ms - seconds * 1000 for head in heads)

    def _merge_from(self, tp: TopicPartition, next_best: tuple[int, int, int, str] | None) -> None:
        first = True

        def may(timestamp: int, offset: int) -> bool:
            nonlocal first
            is_next = next_best is None or (timestamp, tp.partition, offset, tp.topic) < next_best
            fits = is_next and timestamp <= self.goal.ms and self.goal.allows(tp, timestamp, offset)
            fits, first = fits or first, False
            return fits

        batch = self.log.take(tp, self.bounds[tp][1], may)
        if batch is not None:
            self.merged += len(batch)
            self._learn(batch)

    def _run(self, run: Run) -> bool:
        tp = TopicPartition(run.topic, run.partition)
        if self.bounds[tp][1] < run.next:
            raise ConfigError(
                f"the journal covers {run.topic}/{run.partition} up to {run.next}, "
                f"and the log ends at {self.bounds[tp][1]}",
                fix="is it another broker's journal? Set --journal, or '' for none",
            )
        self._pass_over(tp, min(self.bounds[tp][0], run.next), run.first)
        n, reached = 0, False
        while (batch := self.log.take(tp, run.next)) is not None:
            n += len(
                batch
            )  # to the end of the run, also behind the goal: records may have been compacted away
            if not reached:
                reached = self._learn_up_to_goal(batch)
        if n < run.n:
            self.gone[tp] += run.n - n
        return reached

    def _learn_up_to_goal(self, batch: Fetched) -> bool:
        stamped = zip(batch.timestamps, batch.offsets, strict=True)
        stop = next((at for ts, at in stamped if not self.goal.allows(batch.tp, ts, at)), None)
        known = batch if stop is None else batch.before(stop)
        if stop is None or len(known):
            self._learn(known)
        return stop is not None or self.goal.is_reached(self.engine.position)

    def _pass_over(self, tp: TopicPartition, begin: int, first: int | None = None) -> int:
        """What was before `begin` is no longer there; how many offsets."""
        position = self.engine.position.get(tp, first)
        if position is None or position >= begin:
            return 0
        self._learn(Fetched(*tp, 0, position, begin))
        return begin - position

    def _learn(self, batch: Fetched) -> None:
        learn(self.engine, self.rules, batch)
        self.learned[batch.topic] += len(batch)
        self.last_ms = max([self.last_ms, *batch.timestamps])

    def _forget(self, user_hash: int) -> None:
        users = self.engine.state.users
        for row in np.flatnonzero(users.hashes == np.uint64(user_hash)).tolist():
            if users.lengths[row] >= 0:
                self.engine.forget_user(name_of(users, row))


def learn(engine: Engine, rules: IngestSettings, batch: Fetched) -> None:
    """Learn a batch, but what the rules skip, and do nothing else."""
    batch, _ = leave_out(batch, rules.skip)
    engine.learn_batch(decode(batch.topic, batch, batch.span(), rules).batch)
