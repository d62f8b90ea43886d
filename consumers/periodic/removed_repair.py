"""Redis may lose the set `removed`, or come back with an older copy: what is hidden is written again."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
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
"""Rows asked of the engine at once: events do not wait longer than for so many."""
_SLICES_PER_LOOK = 16
_LONGEST_PAUSE = 64


class RemovedRepair:
    """Keeps `removed` whole, for the partitions of `items` that are ours: a part at every look, in rounds.

    A round that had to write makes the pause to the next one twice as long, so a Redis that loses the set again and
    again is not written to without end.

    Args:
        engine: knows what is hidden.
        store: holds `removed`.
        table: whose items are ours.
        max_removed: ids that `removed` holds, at most; if more are hidden, only the later half of them is kept whole.
    """

    def __init__(
        self, engine: EngineThread[Engine], store: ListStore, table: PartitionTable, max_removed: int
    ) -> None:
        self._engine = engine
        self._store = store
        self._table = table
        self._max_removed = max_removed
        self._next_row = 0
        self._oldest = (-np.inf, 0)
        self._n_written = 0
        self._pause, self._looks_to_skip = 1, 0
        self._log = logs.get("recommend")

    async def look(self) -> int:
        """Look at the next hidden ids; how many were written again. Call every few seconds.

        Raises:
            Unavailable: Redis does not answer; look again later.
        """
        if self._looks_to_skip:
            self._looks_to_skip -= 1
            return 0
        n_written = 0
        for _ in range(_SLICES_PER_LOOK):
            ids, is_last = await self._engine.ask(self._take)
            n_written += await self._repair(ids)
            if is_last:
                self._end_round()
                break
        return n_written

    def _take(self, engine: Engine) -> tuple[list[str], bool]:
        """The next hidden ids that are ours; is it the end of the round?"""
        hidden = engine.state.hidden
        n, first = n_rows(hidden), self._next_row
        if first == 0:
            self._oldest = self._oldest_kept(hidden.seen[:n])
        rows = np.arange(first, min(first + _SLICE, n))
        self._next_row = first + _SLICE
        since, oldest_row = self._oldest
        seen = hidden.seen[rows]
        rows = rows[(seen > since) | ((seen == since) & (rows >= oldest_row))]
        return self._ours([name_of(hidden, row) for row in rows.tolist()]), self._next_row >= n

    def _oldest_kept(self, seen: NDArray[np.float64]) -> tuple[float, int]:
        """When the oldest id that is kept whole was hidden, and its row: of equals the higher row is the later."""
        if len(seen) <= self._max_removed:
            return -np.inf, 0
        row = int(np.argsort(seen, kind="stable")[-max(1, self._max_removed // 2)])
        return float(seen[row]), row

    def _ours(self, ids: list[str]) -> list[str]:
        if not ids:
            return []
        homes = partition_of(IdColumn.of(ids), self._table.count(_TOPIC)).tolist()
        return [item for item, home in zip(ids, homes, strict=True) if self._table.owns(_TOPIC, home)]

    async def _repair(self, ids: list[str]) -> int:
        """Write again what is missing.

        The engine is asked once more afterwards: what was shown again meanwhile is taken out, and what is shown later
        is taken out after this by the catalogue's own batch.
        """
        missing = await self._store.not_removed(ids) if ids else []
        still = await self._engine.ask(partial(_hidden, missing)) if missing else []
        if not still:
            return 0
        await self._store.remove_items(still)
        hidden = set(await self._engine.ask(partial(_hidden, still)))
        if shown := [item for item in still if item not in hidden]:
            await self._store.restore_items(shown)
        self._n_written += len(still)
        return len(still)

    def _end_round(self) -> None:
        self._next_row = 0
        if self._n_written:
            self._log.warning("redis has lost removed items; they are written again", items=self._n_written)
            self._looks_to_skip = self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        else:
            self._pause = 1
        self._n_written = 0


def _hidden(ids: list[str], engine: Engine) -> list[str]:
    return engine.hidden(ids)
