"""Which scenarios this worker writes slates for, told to readers."""

from __future__ import annotations

from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.store.lists import ListStore


class ScenarioNames:
    """The key `scenarios`, written by every worker: while settings are rolled out, the names of all are in it.

    Args:
        engine: knows what is in force.
        store: where the names go.
    """

    def __init__(self, engine: EngineThread[Engine], store: ListStore) -> None:
        self._engine = engine
        self._store = store

    async def write(self) -> None:
        """Write them. Call about every `store.lists_seconds`: Redis may forget.

        Raises:
            Unavailable: Redis does not answer.
        """
        names, off = await self._engine.ask(_names)
        await self._store.write_scenarios(names, off)


def _names(engine: Engine) -> tuple[list[str], list[str]]:
    """Those that are in force, and those that records have turned off or removed."""
    decisions = engine.decisions
    names = decisions.in_force(engine.event_time)
    return list(names), sorted({*decisions.scenarios, *decisions.changed}.difference(names))
