"""What is done with `impressions`: decode, and let the engine join them with what users do next."""

from __future__ import annotations

import asyncio

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.base import DecodedBatch, HandlerContext, LearnedBatch, WrittenBatch
from stream_rec.engine.engine import Engine
from stream_rec.schemas.codec import decode_impressions
from stream_rec.schemas.columns import ImpressionBatch
from stream_rec.schemas.records import TopicName

TOPIC: TopicName = "impressions"


class ImpressionsHandler:
    """Remembers what was shown.

    Args:
        context: what every handler works with.
    """

    def __init__(self, context: HandlerContext) -> None:
        self._context = context

    def decode(self, fetched: Fetched) -> DecodedBatch[ImpressionBatch]:
        """Columns of the good impressions; the reasons against the others."""
        return self._context.decode(decode_impressions, fetched)

    def learn(self, engine: Engine, decoded: DecodedBatch[ImpressionBatch]) -> LearnedBatch[ImpressionBatch]:
        """Remember them."""
        with decoded.times.stage("learn"):
            engine.learn_impressions(decoded.batch)
        return LearnedBatch(decoded)

    async def write(
        self, learned: LearnedBatch[ImpressionBatch], _stop: asyncio.Event
    ) -> WrittenBatch[ImpressionBatch]:
        """Nothing but dead letters: outcomes become metric points later."""
        return WrittenBatch(learned.decoded, await self._context.publish(learned.decoded))

    def measure(self, written: WrittenBatch[ImpressionBatch]) -> None:
        """What was rejected, and how long it took."""
        self._context.measure(written.decoded, written.receipt)

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn impressions that others have measured."""
        engine.learn_impressions(self.decode(fetched).batch)
