"""Which scenarios this worker writes slates for, told to readers."""

from __future__ import annotations

from collections.abc import Sequence

from stream_rec.store.lists import ListStore


class ScenarioNames:
    """The key `scenarios`, written by every worker: while settings are rolled out, the names of all are in it.

    Args:
        names: of `engine.scenarios`.
        store: where they go.
    """

    def __init__(self, names: Sequence[str], store: ListStore) -> None:
        self._names = tuple(names)
        self._store = store

    async def write(self) -> None:
        """Write them. Call about every `store.lists_seconds`: Redis may forget.

        Raises:
            Unavailable: Redis does not answer.
        """
        await self._store.write_scenarios(self._names)
