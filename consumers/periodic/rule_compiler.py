"""Rules are compiled between batches, slice by slice in the engine's thread: events wait for one slice at most.

And rules have half of that thread while events wait for it, however many do: how long they take goes by the work.
"""

from __future__ import annotations

from stream_rec.clock import Clock
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine

SLICE_SECONDS = 0.002
"""What comes to the engine's thread waits for so long, and for what a portion takes (half a millisecond)."""


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
        return await self._engine.ask_in_slices(self._slice)

    def _slice(self, engine: Engine) -> bool:
        until = self._clock.monotonic() + SLICE_SECONDS
        return engine.compile_rules(lambda: self._clock.monotonic() >= until)
