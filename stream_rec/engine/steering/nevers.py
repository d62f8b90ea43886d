"""The items that users never want to see, by id: for readers that have nothing of the user's to show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.had import said_by, with_text
from stream_rec.engine.held import Held
from stream_rec.engine.names import ItemNames, n_evicted, n_rows
from stream_rec.kernels import vocabulary
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.pairs import DISLIKED, OF_ITEM
from stream_rec.schemas.columns import IdColumn
from stream_rec.sources.popularity import MIDDLE

MOST = 1000
"""Items of one tag or owner, the most popular."""
MAX_KEPT = 256
"""Tags and owners whose items are kept."""
_CHANGES, _EVENTS = 256, 4096
"""Changes of the catalogue and events after which they are found anew."""


class Nevers:
    """Items by what users have said of them, of their tags and of their owners. Engine's thread.

    Args:
        held: the state, read only.
        names: of items.
    """

    def __init__(self, held: Held, names: ItemNames) -> None:
        self._held = held
        self._names = names
        self._kept: dict[tuple[int, int], tuple[tuple[int, ...], NDArray[np.int64]]] = {}

    def of(self, users: Sequence[str]) -> dict[str, list[str]]:
        """By user; users who have said nothing, or nothing of what is known now, are left out."""
        state = self._held.state
        if not state.blocked.counters["n_rows"][0]:
            return {}
        found = {}
        for user, user_hash in zip(users, hash_ids(IdColumn.of(users)), strict=True):
            if len(rows := self._rows(user_hash)):
                codes = (rows | (state.generation[rows].astype(np.int64) << 24)).astype(np.int32)
                found[user] = self._names.of(state.items, codes).tolist()
        return found

    def _rows(self, user: np.uint64) -> NDArray[np.int64]:
        state, rows = self._held.state, [np.zeros(0, np.int64)]
        for at in said_by(state, user):
            kind, what = int(state.blocked.kinds[at]), state.blocked.whats[at]
            if kind in OF_ITEM:
                row = int(vocabulary.find_hash(state.items, what))
                rows.append(np.array([row] if row >= 0 else [], np.int64))
            elif kind != DISLIKED:
                rows.append(self._with_text(kind, what))
        return np.unique(np.concatenate(rows))

    def _with_text(self, kind: int, what: np.uint64) -> NDArray[np.int64]:
        """Rows of the items with a tag or of an owner, as of a while ago at most."""
        state, key = self._held.state, (kind, int(what))
        n_changed, n_learned = (int(state.counters[0][name]) for name in ("n_items_changed", "n_learned"))
        stamp = (n_changed // _CHANGES, n_learned // _EVENTS, n_evicted(state.items), n_evicted(state.texts))
        if n_rows(state.items) <= MOST:  # of few items, they are always fresh
            stamp = (n_changed, n_learned, *stamp[2:])
        known = self._kept.pop(key, None)
        if known is None or known[0] != stamp:
            known = stamp, self._find(kind, what)
        self._kept[key] = known
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return known[1]

    def _find(self, kind: int, what: np.uint64) -> NDArray[np.int64]:
        state, n = self._held.state, n_rows(self._held.state.items)
        rows = np.flatnonzero(with_text(state, kind, what, slice(n)) & (state.items.lengths[:n] >= 0))
        if len(rows) > MOST:
            rows = rows[np.argsort(-state.popularity.reach[MIDDLE][rows], kind="stable")[:MOST]]
        return rows
