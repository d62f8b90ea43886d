"""How what was shown is spread is counted between batches, piece by piece: events wait for one slice at most."""

from __future__ import annotations

from collections.abc import Generator

from stream_rec.clock import Clock
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.catalogue.exposure import Figures, pieces
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.records import TopicName

EXPOSURE_SECONDS = 15.0
"""It changes slowly, and takes some tens of milliseconds."""
SLICE_SECONDS = 0.002
"""The engine's thread does nothing else for so long, and for what a piece takes (about a millisecond)."""
_TOPIC: TopicName = "control"
_WHAT = "exposure"


class ExposureReports:
    """The worker that owns `control` counts, and tells what is the same on every worker.

    Args:
        engine: what was shown; its batches have their turn between two slices.
        measures: are told, in the engine's thread.
        table: is `control` ours?
        clock: ends a slice.
    """

    def __init__(
        self, engine: EngineThread[Engine], measures: Measures, table: PartitionTable, clock: Clock
    ) -> None:
        self._engine = engine
        self._measures = measures
        self._table = table
        self._clock = clock
        self._counting: Generator[None, None, Figures] | None = None
        self._next = float("-inf")

    async def look(self) -> int:
        """Count anew if it is time to; how many slices that took. Call every second or so."""
        if not self._table.owns(_TOPIC, 0):
            self._next = float("-inf")
            await self._engine.ask(self._tell_nothing)
            return 0
        if self._clock.monotonic() < self._next:
            return 0
        self._next, self._counting, n = self._clock.monotonic() + EXPOSURE_SECONDS, None, 1
        while await self._engine.ask(self._slice):
            n += 1
        return n

    def _tell_nothing(self, _: Engine) -> None:
        self._measures.set_told(_WHAT, {})

    def _slice(self, engine: Engine) -> bool:
        """One slice; is there more?"""
        self._counting = self._counting or pieces(engine)
        until = self._clock.monotonic() + SLICE_SECONDS
        try:
            next(self._counting)
            while self._clock.monotonic() < until:
                next(self._counting)
        except StopIteration as end:
            self._measures.set_told(_WHAT, end.value)
            return False
        return True
