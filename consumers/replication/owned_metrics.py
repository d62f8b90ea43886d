"""Metrics of the partitions that a worker owns: they begin and end with the assignment."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from stream_rec.consumers.output.metric_points import MetricOutput
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import MetricPoint


class OwnedMetrics:
    """Tells the measures which partitions are owned.

    Args:
        engine: its thread is the one that touches the measures.
        measures: the figures.
        output: takes the last points of partitions that go.
    """

    def __init__(self, engine: EngineThread[Engine], measures: Measures, output: MetricOutput) -> None:
        self._engine = engine
        self._measures = measures
        self._output = output

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """These are owned from here on: queued before all that is measured later."""
        self._engine.submit(partial(self._assign, sorted(partitions)))

    async def release(self, partitions: Iterable[TopicPartition]) -> None:
        """These are not owned any more: their last points go out."""
        await self._output.publish(await self._engine.ask(partial(self._release, sorted(partitions))))

    def _assign(self, partitions: list[TopicPartition], _: Engine) -> None:
        for at in partitions:
            self._measures.assign(*at)

    def _release(self, partitions: list[TopicPartition], _: Engine) -> list[MetricPoint]:
        return [point for at in partitions for point in self._measures.release(*at)]
