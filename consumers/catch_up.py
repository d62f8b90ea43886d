"""Learning a stretch of the log that others have served already: [position, committed), without slates.

A worker that starts, or is given a partition, may find offsets committed that its own engine has not learned. It
reads them here, with explicit offsets and outside the consumer group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from faust.types import TP

from stream_rec import logs
from stream_rec.bus.clients import reader, translated
from stream_rec.bus.fetched import Fetched
from stream_rec.errors import Unavailable
from stream_rec.settings import BusSettings

_READING = {
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 50,
    "queued.max.messages.kbytes": 16_384,
}
_CONSUME_SECONDS = 0.1
_CONSUME_BATCHES = 8
"""Partitions that get a full batch in one round."""
_LOG_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Offsets of one partition to learn.

    Attributes:
        start: where to begin; None = at the beginning of the log.
        until: where to stop; the first offset that is not learned.
    """

    start: int | None
    until: int


@dataclass(slots=True)
class _Open:
    """A stretch being read: what has come of the next batch, and where it begins."""

    until: int
    at: int | None
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Take in a record."""
        if self.at is None:
            self.at = message.offset()
        self.keys.append(message.key())
        self.values.append(message.value())
        self.offsets.append(message.offset())
        self.timestamps.append(message.timestamp()[1])

    def cut(self, tp: TP, next_: int) -> Fetched:
        """What has come as a batch that ends before `next_`; the next one begins there."""
        start = next_ if self.at is None else self.at
        batch = Fetched(
            tp.topic, tp.partition, 0, start, next_, self.keys, self.values, self.offsets, self.timestamps
        )
        self.keys, self.values, self.offsets, self.timestamps, self.at = [], [], [], [], next_
        return batch


class CatchUp:
    """Reads stretches, a batch of one partition at a time, each partition in log order.

    Args:
        bus: where from; a batch has at most `_CONSUME_BATCHES` times `batch_max_records`.
    """

    def __init__(self, bus: BusSettings) -> None:
        self._bus = bus
        self._log = logs.get("learn")

    async def read(
        self,
        stretches: Mapping[TP, Stretch],
        learn: Callable[[Fetched], Awaitable[None]],
        finished: Callable[[TP], None],
    ) -> None:
        """Hand every record of the stretches to `learn`.

        Batches carry the epoch 0. Offsets without a record (compacted, or the end of a transaction, or deleted
        before they were read) are inside a batch. A stretch that goes on past the end of the log ends there.

        Args:
            stretches: by partition.
            learn: awaited before the next batch is read.
            finished: called when a partition's stretch is learned.

        Raises:
            Unavailable: the broker gave nothing for `bus.admin_timeout_seconds`.
        """
        opened = {tp: _Open(stretch.until, stretch.start) for tp, stretch in stretches.items()}
        consumer = reader(self._bus, _READING)
        consumer.assign([_beginning(tp, stretch.start) for tp, stretch in stretches.items()])
        thread = ThreadPoolExecutor(1, "catch-up")  # only one: closing waits behind a read that was cancelled
        try:
            await self._read(consumer, thread, opened, learn, finished)
        finally:
            thread.submit(consumer.close)
            thread.shutdown(wait=False)

    async def _read(
        self,
        consumer: Consumer,
        thread: ThreadPoolExecutor,
        opened: dict[TP, _Open],
        learn: Callable[[Fetched], Awaitable[None]],
        finished: Callable[[TP], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        last_news = said = loop.time()
        n = 0
        while opened:
            wanted = self._bus.batch_max_records * min(len(opened), _CONSUME_BATCHES)
            messages = await loop.run_in_executor(thread, consumer.consume, wanted, _CONSUME_SECONDS)
            now = loop.time()
            if messages:
                last_news = now
            elif now - last_news > self._bus.admin_timeout_seconds:
                raise Unavailable("kafka", "no records to catch up with", waited_seconds=now - last_news)
            n += len(messages)
            if now - said > _LOG_EVERY_SECONDS:
                said = now
                self._log.info("catching up", records=n, partitions=len(opened))
            for tp, (next_, at_end) in self._sort(messages, opened).items():
                await learn(opened[tp].cut(tp, next_))
                if at_end:
                    del opened[tp]
                    consumer.pause([TopicPartition(*tp)])
                    finished(tp)

    def _sort(self, messages: list[Message], opened: dict[TP, _Open]) -> dict[TP, tuple[int, bool]]:
        """Put records to their partitions.

        Returns:
            Where each partition that had news now stands, and whether its stretch is at its end.
        """
        reached: dict[TP, tuple[int, bool]] = {}
        for message in messages:
            tp = TP(message.topic(), message.partition())
            if tp not in opened or reached.get(tp, (0, False))[1]:
                continue
            error, offset, until = message.error(), message.offset(), opened[tp].until
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise translated(KafkaException(error), self._bus, 0.0)
            if error is None and offset < until:
                opened[tp].add(message)
            next_ = min(offset + (error is None), until)
            reached[tp] = (next_, next_ >= until or error is not None)
        return reached


def _beginning(tp: TP, start: int | None) -> TopicPartition:
    return TopicPartition(*tp, OFFSET_BEGINNING if start is None else start)
