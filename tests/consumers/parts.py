"""What single parts of a worker are built from in their tests: small, and without servers where none is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from stream_rec.bus.batch import Fetched
from stream_rec.clock import Clock, ManualClock, SystemClock
from stream_rec.consumers.handlers.base import HandlerContext
from stream_rec.consumers.output.dead_letters import DeadLetters
from stream_rec.consumers.output.emitter import Outgoing, Receipt
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.codec import encode
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Interaction, Record, TopicName
from stream_rec.schemas.topics import FOLLOWED, key_of
from stream_rec.settings import EngineSettings, IngestSettings, MeasureSettings, StoreSettings
from stream_rec.store.waiting import until_available

TINY = EngineSettings(max_users=64, max_items=64, train_first=0)
LOG = "log"
STAMP_MS = 1_700_000_000_000
"""The broker's timestamp of every record."""


def make_table(n_partitions: int = 4, *, owned: Iterable[tuple[TopicName, int]] = ()) -> PartitionTable:
    """All topics with so many partitions, some of them owned."""
    table = PartitionTable(
        dict.fromkeys(FOLLOWED, n_partitions), {name: f"{name}-{LOG}" for name in FOLLOWED}
    )
    table.assign(TopicPartition(*at) for at in owned)
    return table


def click(user: str, item: str, after: float = 0.0) -> Interaction:
    """A click some seconds after `STAMP_MS`."""
    return Interaction(user, item, "click", STAMP_MS / 1000 + after)


def fetched(
    topic: TopicName, records: Sequence[Record | bytes], *, start: int = 0, partition: int = 0, epoch: int = 0
) -> Fetched:
    """A batch of records, or of bytes that are none, at offsets from `start` on."""
    n = len(records)
    keys = [b"?" if isinstance(record, bytes) else key_of(record) for record in records]
    values = [record if isinstance(record, bytes) else encode(record) for record in records]
    offsets = list(range(start, start + n))
    return Fetched(topic, partition, epoch, start, start + n, keys, values, offsets, [STAMP_MS] * n)


def make_measures(engine: Engine) -> Measures:
    """Measures that own the first partition of every topic."""
    measures = Measures(MeasureSettings(), engine.sources, attribution=engine.attribution)
    for name in FOLLOWED:
        measures.assign(name, 0)
    return measures


class Outbox:
    """Stands for the emitter: keeps what is sent, and says at once that it is delivered."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def send(self, records: Iterable[Outgoing], place: str = "") -> Receipt:
        self.sent += records
        return Receipt(0, asyncio.get_running_loop(), place)

    def topics(self) -> list[str]:
        """Of all that was sent, in order."""
        return [record.topic for record in self.sent]


def make_context(measures: Measures, outbox: Outbox, clock: Clock | None = None) -> HandlerContext:
    """What handlers work with."""
    until = partial(until_available, settings=StoreSettings(), clock=SystemClock())
    clock = clock or ManualClock(STAMP_MS / 1000)
    letters = DeadLetters(IngestSettings(), clock)
    return HandlerContext(IngestSettings(), outbox, measures, until, clock, letters)
