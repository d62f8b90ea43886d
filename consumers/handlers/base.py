"""What is done with the records of one topic: one handler each, which knows neither Faust nor Kafka.

A batch goes `decode -> learn -> write -> measure`; each step takes what the one before it returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from stream_rec.bus.batch import Fetched
from stream_rec.bus.skips import leave_out
from stream_rec.clock import Clock
from stream_rec.consumers.output.dead_letters import DeadLetters, count_unusable
from stream_rec.consumers.output.emitter import Emitter, Outgoing, Receipt
from stream_rec.consumers.runtime.stage_times import StageTimes
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.columns import Decoded, LeftOut, Span
from stream_rec.schemas.reading import Messages
from stream_rec.schemas.records import TopicName
from stream_rec.settings import IngestSettings


class Published(Protocol):
    """A batch whose results are on their way."""

    @property
    def receipt(self) -> Receipt:
        """For what was published."""
        ...


DecodedT = TypeVar("DecodedT")
LearnedT = TypeVar("LearnedT")
WrittenT = TypeVar("WrittenT", bound=Published)


class Handler(Protocol[DecodedT, LearnedT, WrittenT]):
    """What is done with the batches of one topic."""

    def decode(self, fetched: Fetched, /) -> DecodedT:
        """Read the batch. Main thread; does not wait."""

    def learn(self, engine: Engine, decoded: DecodedT, /) -> LearnedT:
        """All that the engine does for the batch. Engine's thread.

        Raises:
            GapError: the engine misses records before the batch; nothing was learned.
        """

    async def write(self, learned: LearnedT, stop: asyncio.Event, /) -> WrittenT:
        """Write and publish results. Main thread; called in log order, one batch at a time.

        Raises:
            WaitEnded: the stop came before it was done.
        """

    def measure(self, written: WrittenT, /) -> None:
        """All is written and published. Engine's thread; in order within a partition."""

    def relearn(self, engine: Engine, fetched: Fetched, /) -> None:
        """Learn from a batch that others have served: nothing is written or measured. Engine's thread."""


Handlers = Mapping[TopicName, Handler[Any, Any, Any]]
"""By topic, without the prefix."""

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class DecodedBatch(Generic[Batch]):
    """A batch whose records have been read.

    Attributes:
        n_records: number of records fetched, good or bad.
        decoded: the good ones, and the reason against each of the others.
        span: place in the log.
        times: seconds spent in each stage so far.
    """

    n_records: int
    decoded: Decoded[Batch]
    span: Span
    times: StageTimes

    @property
    def batch(self) -> Batch:
        """The good records."""
        return self.decoded.batch


@dataclass(frozen=True, slots=True)
class LearnedBatch(Generic[Batch]):
    """A batch that the engine has learned, and that asks for no answer of the engine's."""

    decoded: DecodedBatch[Batch]


@dataclass(frozen=True, slots=True)
class WrittenBatch(Generic[Batch]):
    """A batch whose results are written, and published or on their way."""

    decoded: DecodedBatch[Batch]
    receipt: Receipt


Codec = Callable[[Messages, Span, IngestSettings], Decoded[Batch]]
"""Reads a batch of raw messages (stream_rec.schemas.codec)."""

Until = Callable[..., Awaitable[Any]]
"""`store.waiting.until_available` with its settings and clock."""


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """What every handler works with.

    Attributes:
        rules: what is let in.
        emitter: publishes results and dead letters.
        measures: figures of what was served; touched in the engine's thread only.
        until: waits for a server that is away.
        clock: processing time.
        dead_letters: what becomes of messages that cannot be read.
    """

    rules: IngestSettings
    emitter: Emitter
    measures: Measures
    until: Until
    clock: Clock
    dead_letters: DeadLetters

    def decode(self, codec: Codec[Batch], fetched: Fetched) -> DecodedBatch[Batch]:
        """What the topic's codec reads from a batch but what is skipped, timed as the stage `ingest`."""
        times, span, n_records = StageTimes(), fetched.span(), len(fetched)
        with times.stage("ingest"):
            fetched, skipped = leave_out(fetched, self.rules.skip)
            decoded = codec(fetched, span, self.rules)
        decoded.left_out.extend(LeftOut(*at, "all of it", "skipped") for at in skipped)
        return DecodedBatch(n_records, decoded, span, times)

    async def publish(self, decoded: DecodedBatch[Any], records: Sequence[Outgoing] = ()) -> Receipt:
        """Publish these records, and a dead letter for everything that was rejected."""
        span = decoded.span
        letters = self.dead_letters.records(span, decoded.decoded.rejected)
        place = f"{span.topic}/{span.partition}/{span.start}-{span.next - 1}"
        return await self.emitter.send([*records, *letters], place)

    def measure(self, decoded: DecodedBatch[Any], receipt: Receipt) -> None:
        """Count what was rejected and what Kafka refused, and report the time of each stage. Engine's thread."""
        count_unusable(self.measures, decoded.span, decoded.decoded)
        self.measures.on_read(decoded.span, decoded.n_records)
        self.measures.on_refused(decoded.span, receipt.lost)
        decoded.times.report(self.measures, decoded.span, decoded.n_records)
