"""Rules are compiled between batches, slice by slice in the engine's thread: events wait for one slice at most."""

from __future__ import annotations

from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.rules.masks import SLICE


class RuleCompiler:
    """Keeps the masks of all scenarios up to date.

    Args:
        engine: compiles; its batches have their turn between two slices.
    """

    def __init__(self, engine: EngineThread[Engine]) -> None:
        self._engine = engine

    async def look(self) -> int:
        """Compile what has changed; how many slices that took. Call several times a second."""
        n = 1
        while await self._engine.ask(_slice):
            n += 1
        return n


def _slice(engine: Engine) -> bool:
    return engine.compile_rules(SLICE)
