"""Redis' set `removed` follows items whose window opens or closes: no record of the catalogue comes then."""

from __future__ import annotations

from functools import partial

from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, name_of
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import TopicName
from stream_rec.store.lists import ListStore

_TOPIC: TopicName = "items"
_SLICE = 250
"""Rows looked at beside the moves, at every look."""


class WindowMoves:
    """Writes what has opened or closed, for the partitions of `items` that are ours.

    What a worker that ended has not written is found by going through all windows, a slice at every look, for items
    that are shown and stand in `removed`; the other way round, `RemovedRepair` finds it.

    Args:
        engine: knows what moved.
        store: holds `removed`.
        table: whose items are ours.
        touched: told of what opened: its `similar` list was deleted.
    """

    def __init__(
        self, engine: EngineThread[Engine], store: ListStore, table: PartitionTable, touched: TouchedItems
    ) -> None:
        self._engine = engine
        self._store = store
        self._table = table
        self._touched = touched
        self._waiting: dict[str, None] = {}
        self._next_row = 0

    async def look(self) -> int:
        """Write moves; how many items were moved. Call about every second.

        Raises:
            Unavailable: Redis does not answer; what was not written is tried again at the next call.
        """
        moved = await self._engine.ask(self._take)
        self._waiting |= dict.fromkeys(self._ours(moved))
        ids = list(self._waiting)
        hidden = set(await self._engine.ask(partial(_hidden, ids))) if ids else set()
        shown = [item for item in ids if item not in hidden]
        await self._store.remove_items([item for item in ids if item in hidden])
        await self._restore(shown)
        for item in ids:
            self._waiting.pop(item, None)
        return len(ids) + await self._look_further()

    async def _look_further(self) -> int:
        ids = self._ours(await self._engine.ask(self._open_rows))
        if not ids:
            return 0
        missing = set(await self._store.not_removed(ids))
        held = [item for item in ids if item not in missing]
        hidden = set(await self._engine.ask(partial(_hidden, held))) if held else set()
        lost = [item for item in held if item not in hidden]
        await self._restore(lost)
        return len(lost)

    async def _restore(self, ids: list[str]) -> None:
        if ids:
            await self._store.restore_items(ids)
            self._engine.submit(partial(self._touch, ids))

    def _take(self, engine: Engine) -> list[str]:
        return engine.take_moved()

    def _touch(self, ids: list[str], _: Engine) -> None:
        self._touched.touch(ids)

    def _open_rows(self, engine: Engine) -> list[str]:
        """Ids of the next windows that are shown."""
        windowed, first = engine.state.windowed, self._next_row
        n = n_rows(windowed)
        last = min(first + _SLICE, n)
        self._next_row = last if last < n else 0
        ids = [name_of(windowed, row) for row in range(first, last)]
        hidden = set(engine.hidden(ids)) if ids else set()
        return [item for item in ids if item not in hidden]

    def _ours(self, ids: list[str]) -> list[str]:
        if not ids:
            return []
        homes = partition_of(IdColumn.of(ids), self._table.count(_TOPIC)).tolist()
        return [item for item, home in zip(ids, homes, strict=True) if self._table.owns(_TOPIC, home)]


def _hidden(ids: list[str], engine: Engine) -> list[str]:
    return engine.hidden(ids)
