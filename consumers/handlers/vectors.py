"""What is done with `vectors`: decode, and teach the engine; what does not fit into its space is set aside, too."""

from __future__ import annotations

import asyncio

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.base import DecodedBatch, HandlerContext, LearnedBatch, WrittenBatch
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import Rejected, VectorBatch
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.vector_changes import decode_vectors, vector_key

TOPIC: TopicName = "vectors"


class VectorsHandler:
    """Keeps the vector spaces.

    Args:
        context: what every handler works with.
    """

    def __init__(self, context: HandlerContext) -> None:
        self._context = context

    def decode(self, fetched: Fetched) -> DecodedBatch[VectorBatch]:
        """The good changes; the reasons against the others."""
        return self._context.decode(decode_vectors, fetched)

    def learn(self, engine: Engine, decoded: DecodedBatch[VectorBatch]) -> LearnedBatch[VectorBatch]:
        """The engine finds items by their vectors. What it refuses is rejected like what cannot be read."""
        with decoded.times.stage("index"):
            refused = engine.learn_vectors(decoded.batch)
        changes = {change.offset: change for change in decoded.batch.changes}
        for offset, reason, detail in refused:
            change = changes[offset]
            key = vector_key(change.space, change.item_id).encode()
            decoded.decoded.rejected.append(
                Rejected(offset, change.broker_ts, reason, detail, change.raw, key)
            )
        return LearnedBatch(decoded)

    async def write(
        self, learned: LearnedBatch[VectorBatch], _stop: asyncio.Event
    ) -> WrittenBatch[VectorBatch]:
        """Nothing but dead letters."""
        return WrittenBatch(learned.decoded, await self._context.publish(learned.decoded))

    def measure(self, written: WrittenBatch[VectorBatch]) -> None:
        """What was rejected, and how long it took."""
        self._context.measure(written.decoded, written.receipt)

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn vectors that others have served."""
        engine.learn_vectors(self.decode(fetched).batch)
