"""What is done with `impressions`: decode, and let the engine join them with what users do next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.output.dead_letters import count_unusable, dead_letters
from stream_rec.consumers.output.emitter import Emitter, Receipt
from stream_rec.consumers.runtime.stage_times import StageTimes
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.codec import decode_impressions
from stream_rec.schemas.columns import Decoded, ImpressionBatch
from stream_rec.settings import IngestSettings

TOPIC = "impressions"


@dataclass(slots=True)
class ImpressionsWork:
    """A batch of shown slates on its way."""

    fetched: Fetched
    decoded: Decoded[ImpressionBatch]
    times: StageTimes


class ImpressionsHandler:
    """Remembers what was shown.

    Args:
        rules: what is let in.
        emitter: publishes dead letters.
        measures: touched in the engine's thread only.
    """

    def __init__(self, rules: IngestSettings, emitter: Emitter, measures: Measures) -> None:
        self._rules = rules
        self._emitter = emitter
        self._measures = measures

    def decode(self, fetched: Fetched) -> ImpressionsWork:
        """Columns of the good impressions; the reasons against the others."""
        times = StageTimes()
        with times.stage("ingest"):
            decoded = decode_impressions(fetched, fetched.span(TOPIC), self._rules)
        return ImpressionsWork(fetched, decoded, times)

    def learn(self, engine: Engine, work: ImpressionsWork) -> None:
        """Remember them."""
        with work.times.stage("learn"):
            engine.learn_impressions(work.decoded.batch)

    async def write(self, work: ImpressionsWork, _stop: asyncio.Event) -> Receipt:
        """Nothing but dead letters: outcomes become metric points later."""
        span = work.decoded.batch.span
        return await self._emitter.send(dead_letters(span, work.decoded.rejected, self._rules))

    def measure(self, work: ImpressionsWork) -> None:
        """What was rejected, and how long it took."""
        span = work.decoded.batch.span
        count_unusable(self._measures, span, work.decoded)
        work.times.report(self._measures, span, len(work.fetched))

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn impressions that others have measured."""
        engine.learn_impressions(self.decode(fetched).decoded.batch)
