"""Lists that are another for every user: what the user has had, and what is near it in a vector space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.had import had_rows
from stream_rec.engine.fold.arrange import Marked
from stream_rec.engine.fold.pool import RANKED, Scene
from stream_rec.engine.fold.slates import Near, Slates
from stream_rec.engine.fold.state import State
from stream_rec.engine.held import Memory
from stream_rec.engine.spaces.indexes import SpaceIndexes, slot_of
from stream_rec.engine.steering.scenes import OF_USER, Ruled
from stream_rec.engine.steering.shared_lists import N_LISTED
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.schemas.event_types import ALL_TYPES


class NearList(NamedTuple):
    """What a vector space brings one user.

    Attributes:
        user: place among those who ask.
        mark: its tier, see engine.fold.pool.
        slot: of the space.
        source: its place in `Engine.sources`.
        rows: int32 [m], item rows, best first.
        scores: float32 [m].
        singles: int32 [n], rows of the user's last items in the space: the nearest of them is the reason.
    """

    user: int
    mark: int
    slot: int
    source: int
    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    singles: NDArray[np.int32]


class _Part(NamedTuple):
    user: int
    mark: int
    rows: NDArray[np.int32]
    scores: NDArray[np.float32]


class OwnLists:
    """Adds to a scenario what only one user has.

    Args:
        held: the state, read only.
        indexes: of the vector spaces.
    """

    def __init__(self, held: Memory, indexes: SpaceIndexes) -> None:
        self._held = held
        self._indexes = indexes

    def of(self, rows: NDArray[np.int32], ruled: Ruled, near: Near) -> tuple[Scene, list[NearList]]:
        """The scenario with the own lists of these users, and those of them that came from vector spaces.

        Args:
            rows: int32 [n], of users; below 0 = unknown: has no lists.
            ruled: the scenario in force.
            near: what these users ask of the vector spaces.
        """
        had = [had_rows(self._held.state, row, ALL_TYPES if ruled.spaces else 0) for row in rows.tolist()]
        parts = []
        if ruled.scenario.logic in OF_USER:
            own = [had_rows(self._held.state, row, ruled.own_types) for row in rows.tolist()]
            parts = [_Part(user, RANKED, each, _descending(len(each))) for user, each in enumerate(own)]
        lists = [
            found
            for mark, space in ruled.spaces
            if (slot := slot_of(self._held.state, space)) >= 0
            for found in self._near_lists(ruled, mark, slot, near, had)
        ]
        parts += [_Part(found.user, found.mark, found.rows, found.scores) for found in lists]
        return _with_lists(ruled.scene, len(rows), sorted(parts, key=lambda part: part[:2])), lists

    def _near_lists(
        self, ruled: Ruled, mark: int, slot: int, near: Near, had: Sequence[NDArray[np.int32]]
    ) -> list[NearList]:
        """Scored by cosines with the mean and what boosts add, without what the mean may be made of."""
        asking = np.flatnonzero(near.asks[:, slot])
        if not len(asking):
            return []
        spaces, boosts = self._held.state.spaces, ruled.masks.boosts
        source = self._held.query.source_contributions.shape[0] - len(spaces.dimensions) + slot
        most = min(N_LISTED, int(spaces.counts[slot]))
        means = near.means[asking, slot]
        lists = []
        hits = self._indexes.search(self._held.state, slot, means, most, ruled.narrow)
        for user, found, cosines in zip(asking.tolist(), *hits, strict=True):
            keep = (found >= 0) & ~np.isin(found, had[user])
            rows, scores = found[keep], cosines[keep]
            if len(boosts):
                scores = scores + boosts[rows]
                order = np.argsort(-scores, kind="stable")
                rows, scores = rows[order], scores[order]
            lists.append(NearList(user, mark, slot, source, rows, scores, near.singles[user, slot]))
        return lists


def say_why(state: State, out: Slates, marked: Marked, lists: Sequence[NearList]) -> None:
    """Source and reason of the places that lists of vector spaces have filled.

    Args:
        state: read only.
        out: changed in place.
        marked: of the slates.
        lists: of their users.
    """
    for near in lists:
        singles = near.singles[near.singles >= 0]
        codes = out.codes[near.user]
        at = np.flatnonzero((marked.marks[near.user] == near.mark) & (codes != NO_CODE))
        at = at[np.isin(codes[at] & ROW_MASK, near.rows)]
        if not len(at):
            continue
        vectors = state.spaces.vectors[near.slot]
        nearest = singles[(vectors[codes[at] & ROW_MASK] @ vectors[singles].T).argmax(axis=1)]
        out.sources[near.user, at] = near.source
        out.because[near.user, at] = [code_of(row, state.generation) for row in nearest.tolist()]


def _descending(n: int) -> NDArray[np.float32]:
    return np.arange(n, 0, -1).astype(np.float32)


def _with_lists(scene: Scene, n_users: int, parts: Sequence[_Part]) -> Scene:
    """With lists of users' own, which are ordered by user and tier."""
    lengths = np.zeros(n_users, np.int64)
    for part in parts:
        lengths[part.user] += len(part.rows)
    return scene._replace(
        own=np.concatenate([scene.own, *(part.rows for part in parts)]),
        own_marks=np.concatenate(
            [scene.own_marks, *(np.full(len(part.rows), part.mark, np.uint8) for part in parts)]
        ),
        own_scores=np.concatenate([scene.own_scores, *(part.scores for part in parts)]).astype(np.float32),
        own_ends=np.cumsum(lengths),
    )
