"""Learns the partitions that other workers serve: "follow everything, own a part" (docs/follow.md).

The follower reads with explicit offsets, outside of the group, and begins where the engine stands. It writes nothing.
It is also what learns `[position, committed)` of a partition before its agent begins, so there is one way only to
learn without serving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from stream_rec.bus.batch import Fetched
from stream_rec.bus.reader import Fetching, Read, Reader, Start
from stream_rec.consumers.replication.learn_gate import LearnGate, OutOfDate
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.replication.slice_size import SliceSize
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import GapError
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.settings import BusSettings

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Target:
    """A partition to be followed.

    Attributes:
        epoch: the partition's when it became a target. When that passes, its slices are refused, and who made it pass
            says what is to be followed instead.
        until: where to stop; None = never.
        learned: the offset after what is learned; None = not known yet.
        reached: set when `until` is learned, or the log ends before it, or it is a target no more.
    """

    epoch: int
    until: int | None = None
    learned: int | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)


class Follower:
    """Follows partitions. Make it and call it in the main loop; only reading has a thread of its own.

    What is read and not yet learned is bounded by `bus.follow_ahead_records` and `bus.follow_ahead_bytes`, twice: one
    round is read while the one before it is learned. Nothing is read while nothing is followed.

    Args:
        bus: addresses, and the bounds of what is read ahead.
        gate: the door to the engine.
        engine: asked for its positions.
        table: partitions, those that are owned, and present epochs.
        fetching: bounds and waits of its reads; None = `following(bus)`.
    """

    def __init__(
        self,
        bus: BusSettings,
        gate: LearnGate,
        engine: EngineThread[Engine],
        table: PartitionTable,
        fetching: Fetching | None = None,
    ) -> None:
        self._gate = gate
        self._engine = engine
        self._table = table
        self._reader = Reader(bus, fetching)
        self._thread = ThreadPoolExecutor(1, "follow")
        self._slice_size = SliceSize(bus.follow_slice_seconds, bus.batch_max_records)
        self._targets: dict[TopicPartition, _Target] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._left: list[TopicPartition] = []
        self._changed = asyncio.Event()
        self._is_following = False

    # What others want of it.

    def follow_others(self) -> None:
        """Owned partitions are the agents'; all others are followed from where the engine stands, to their ends and on.

        To be called whenever the table's owned partitions have changed.
        """
        self._is_following = True
        self._retarget(self._others())

    def follow_added(self) -> None:
        """Partitions were added: follow them until somebody owns them, if the others are followed already."""
        if self._is_following:
            self._retarget(self._targets | self._others())

    async def behind(self, stops: Mapping[TopicPartition, int | None]) -> dict[TopicPartition, int]:
        """Those of these offsets that the engine has not reached yet; None and 0 are always reached."""
        positions = await self._positions(stops)
        return {tp: stop for tp, stop in stops.items() if stop and (positions[tp] or 0) < stop}

    async def learn(
        self, stops: Mapping[TopicPartition, int], reached: Callable[[TopicPartition], None] = lambda _: None
    ) -> None:
        """Learn up to each of these offsets, or to the end of the log if that comes first.

        Partitions that go to others meanwhile are not waited for.

        Args:
            stops: the first offset that is not to be learned, by partition.
            reached: called when a partition is there.
        """
        targets = {tp: _Target(self._table.epochs.of(tp), until) for tp, until in stops.items()}
        self._retarget(self._targets | targets)

        async def wait(tp: TopicPartition) -> None:
            await targets[tp].reached.wait()
            reached(tp)

        await asyncio.gather(*map(wait, targets))

    def lags(self) -> Iterator[tuple[TopicName, int, int | None]]:
        """(topic, partition, records from what is learned to the end) of all it follows; None = not known yet."""
        for tp, target in sorted(self._targets.items()):
            end = self._ends.get(tp)
            lag = None if end is None or target.learned is None else max(0, end - target.learned)
            yield *tp, lag

    # The work.

    async def run(self) -> None:
        """Follow until cancelled. While the broker is away, it waits.

        Raises:
            ConfigError: the broker refuses us, or the log is not the one that was learned.
            Unavailable: the broker says something that there is no way around.
        """
        reads: list[Read] = []
        try:
            while True:
                if self._changed.is_set() or not self._targets:
                    await self._changed.wait()
                    await self._turn()
                    reads = []
                    continue
                left, self._left = self._left, []
                reading = asyncio.ensure_future(self._in_thread(partial(self._read, left)))
                await self._learn(reads)
                reads = await reading
        finally:
            self._thread.submit(self._reader.close)
            self._thread.shutdown(wait=False)

    async def _turn(self) -> None:
        """Read the present targets, from where the engine stands. No slice of ours waits in its queue."""
        self._changed.clear()
        self._left.clear()
        targets = dict(self._targets)
        positions = await self._positions(targets)
        starts = {}
        for tp, target in targets.items():
            target.learned = positions[tp]
            if not self._has_reached(tp, target):
                starts[tp] = Start(target.learned, target.epoch)
        await self._in_thread(lambda: self._reader.begin(starts))

    def _read(self, left: list[TopicPartition]) -> list[Read]:
        self._reader.leave(left)
        reads = self._reader.read()
        self._ends = self._reader.ends()
        return reads

    async def _learn(self, reads: list[Read]) -> None:
        slices: list[tuple[_Target, Read, list[Fetched]]] = []
        for read in reads:
            tp = read.batch.tp
            target = self._targets.get(tp)
            if target is None:
                continue
            if read.is_gone:  # only behind what came before it
                await self._learn_all(slices)
                slices = []
                await self._gate.pass_over(read.batch)
                target.learned = read.batch.next
                self._has_reached(tp, target)
                continue
            batch = read.batch if target.until is None else read.batch.before(target.until)
            slices.append((target, read, list(batch.slices(self._slice_size.records(tp.topic)))))
        await self._learn_all(slices)

    async def _learn_all(self, reads: list[tuple[_Target, Read, list[Fetched]]]) -> None:
        """Queue everything, then wait for it: between two slices the engine takes owned batches."""
        queued = [[self._gate.relearn(part) for part in parts] for _, _, parts in reads]
        for (target, read, parts), futures in zip(reads, queued, strict=True):
            answers = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
            self._note(target, read, parts, answers)

    def _note(
        self, target: _Target, read: Read, parts: list[Fetched], answers: list[float | BaseException]
    ) -> None:
        tp = read.batch.tp
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, OutOfDate):
                return  # who took it away says what is to be followed now
            if isinstance(answer, GapError):
                self._changed.set()  # read again from where the engine stands
                return
            if isinstance(answer, BaseException):
                raise answer
            self._slice_size.note(tp.topic, len(part), answer)
        target.learned = parts[-1].next
        self._has_reached(tp, target, at_end=read.at_end)

    def _has_reached(self, tp: TopicPartition, target: _Target, *, at_end: bool = False) -> bool:
        """Is a partition where it was to stop? Then it is followed no more."""
        if target.until is None or not (
            at_end or (target.learned is not None and target.learned >= target.until)
        ):
            return False
        if self._targets.get(tp) is target:
            del self._targets[tp]
            self._left.append(tp)
        target.reached.set()
        return True

    def _retarget(self, targets: dict[TopicPartition, _Target]) -> None:
        before, self._targets = self._targets, targets
        for tp, target in before.items():
            if targets.get(tp) is not target:
                target.reached.set()
        self._changed.set()

    def _others(self) -> dict[TopicPartition, _Target]:
        """What is followed beside the agents' partitions: as it is, or anew if its epoch has passed."""
        others = {
            tp: _Target(self._table.epochs.of(tp))
            for tp in self._table.partitions()
            if not self._table.owns(*tp)
        }
        kept = {
            tp: target
            for tp, target in self._targets.items()
            if tp in others and target.until is None and target.epoch == others[tp].epoch
        }
        return others | kept

    async def _positions(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        """The engine's positions; None = nothing was learned from the partition."""
        return await self._engine.ask(partial(_positions, tuple(partitions)))

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _positions(partitions: Iterable[TopicPartition], engine: Engine) -> dict[TopicPartition, int | None]:
    return {tp: engine.position.get(tp) for tp in partitions}
