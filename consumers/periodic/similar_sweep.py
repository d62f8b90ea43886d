"""Items without a `similar` list: Redis has lost it, or it was never written, since others were touched more often."""

from __future__ import annotations

from functools import partial

import numpy as np

from stream_rec.clock import Clock
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.catalogue.lists import may_be_shown
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, name_of
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import TopicName
from stream_rec.store.lists import ListStore

_TOPIC: TopicName = "items"
_SLICE = 250
"""Rows asked of the engine at once: events do not wait longer than for so many."""
_SLICES_PER_TURN = 8
ROUND_SECONDS = 1800.0
"""From the end of a round to the next: items that nothing connects are looked at in vain each time, and a Redis that
evicts lists is not written to without end."""


class SimilarSweep:
    """Goes through the items of our partitions of `items` in rounds, a part at every turn, for those without a list.

    Args:
        engine: knows the items.
        store: says which lists there are.
        table: whose items are ours.
        clock: begins rounds.
    """

    def __init__(
        self, engine: EngineThread[Engine], store: ListStore, table: PartitionTable, clock: Clock
    ) -> None:
        self._engine = engine
        self._store = store
        self._table = table
        self._clock = clock
        self._row = 0
        self._missing: list[str] = []
        self._begins = clock.monotonic()

    def restart(self) -> None:
        """Redis has lost what it held: a round begins now."""
        self._row, self._missing, self._begins = 0, [], self._clock.monotonic()

    async def take(self, n: int) -> list[str]:
        """The next items without a list, n at most.

        Raises:
            Unavailable: Redis does not answer; take again later.
        """
        for _ in range(_SLICES_PER_TURN):
            if len(self._missing) >= n or self._clock.monotonic() < self._begins:
                break
            row = self._row
            ids, is_last = await self._engine.ask(partial(self._slice, row))
            missing = await self._store.without_similar(ids)
            if self._row != row:  # a round has begun meanwhile
                continue
            self._missing += missing
            self._row = 0 if is_last else row + _SLICE
            if is_last:
                self._begins = self._clock.monotonic() + ROUND_SECONDS
        taken, self._missing = self._missing[:n], self._missing[n:]
        return taken

    def _slice(self, row: int, engine: Engine) -> tuple[list[str], bool]:
        """Items that are ours and may be shown, of the rows from `row` on; are they the last?"""
        state, n = engine.state, n_rows(engine.state.items)
        rows = np.arange(row, min(row + _SLICE, n), dtype=np.int32)
        rows = rows[may_be_shown(state, engine.catalogue_decides, rows) & (state.items.lengths[rows] >= 0)]
        ids = [name_of(state.items, each) for each in rows.tolist()]
        if ids:
            homes = partition_of(IdColumn.of(ids), self._table.count(_TOPIC)).tolist()
            ids = [item for item, home in zip(ids, homes, strict=True) if self._table.owns(_TOPIC, home)]
        return ids, row + _SLICE >= n
