"""Rules are compiled between batches, slice by slice in the engine's thread: events wait for one slice at most."""

from __future__ import annotations

from stream_rec.clock import Clock
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine

SLICE_SECONDS = 0.002
"""The engine's thread does nothing else for so long, and for what a portion takes (some tenths of a millisecond)."""


class RuleCompiler:
    """Keeps the masks of all scenarios up to date.

    Args:
        engine: compiles; its batches have their turn between two slices.
        clock: ends a slice.
    """

    def __init__(self, engine: EngineThread[Engine], clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def look(self) -> int:
        """Compile what has changed; how many slices that took. Call several times a second."""
        n = 1
        while await self._engine.ask(self._slice):
            n += 1
        return n

    def _slice(self, engine: Engine) -> bool:
        until = self._clock.monotonic() + SLICE_SECONDS
        return engine.compile_rules(lambda: self._clock.monotonic() >= until)
