"""Slates for user rows, as of the last learned event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.basket import only_of
from stream_rec.engine.answering.had import blocked
from stream_rec.engine.answering.lately import only_since
from stream_rec.engine.answering.outputs import Filled, empty_marks, empty_slates, encoded, ranked
from stream_rec.engine.answering.own_lists import NearList, OwnLists, say_why
from stream_rec.engine.answering.reranking import Reranking
from stream_rec.engine.fold import arrange, slates
from stream_rec.engine.fold.arrange import GATHERED, NOTHING, SCORED, Marked
from stream_rec.engine.fold.pool import EXPLORED, Pool, Scene, empty_pool
from stream_rec.engine.fold.slates import Asked, Near, Rules
from stream_rec.engine.held import Memory
from stream_rec.engine.names import ItemNames
from stream_rec.engine.results import Encoded, Ranked
from stream_rec.engine.rivers import Rivers
from stream_rec.engine.spaces.indexes import n_slots
from stream_rec.engine.spaces.item_vectors import VectorIndex
from stream_rec.engine.steering.scenes import OF_BASKET, OF_USER, Ruled
from stream_rec.feedback.attribution import Attribution
from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.kernels.reference import refer
from stream_rec.schemas.scenario import Rerank
from stream_rec.sources.factorization import learned_inputs

KNOWN_POOLS = 8
"""Sizes of working memory that are kept: a request may ask for any length."""


class Recommender:
    """Ranks for users; changes nothing but the working memory.

    Args:
        held: the state, read only.
        searched: the vector index, and river models (usually none).
        names: of items.
        sources: gives their names, `Engine.sources`.
        attribution: what users were shown, read only.
        reranking: orders the candidates of scenarios that want it.
    """

    def __init__(
        self,
        held: Memory,
        searched: tuple[VectorIndex, Rivers],
        names: ItemNames,
        sources: Callable[[], tuple[str, ...]],
        attribution: Attribution,
        reranking: Reranking,
    ) -> None:
        self._held = held
        self._vectors, self._rivers = searched
        self._attribution = attribution
        self._reranking = reranking
        self._names = names
        self._sources = sources
        self._own_lists = OwnLists(held, self._vectors.spaces)
        self._pools: dict[tuple[int, int, int], Pool] = {}

    def rank(
        self,
        rows: NDArray[np.int32],
        hashes: NDArray[np.uint64],
        rules: Rules,
        asked: Asked | None = None,
    ) -> Filled:
        """Slates for n users.

        Args:
            rows: int32 [n], of the users; those below 0 as in `kernels.candidates.read_context`.
            hashes: uint64 [n], of the users' ids, 0 = nobody's: what they have blocked is known under these.
            rules: what the slates may hold.
            asked: what `ask` has answered of these users; None = it is asked.

        Raises:
            ValueError: k is below 1.
        """
        if rules.k < 1:
            raise ValueError(f"k is {rules.k}")
        self._reranking.begin()
        asked = asked or self.ask(rows, hashes)
        out = empty_slates(len(rows), rules.k)
        order = np.empty(rules.k, np.int32)
        for some in self._rivers.portions(len(rows)):
            portion = Asked._make(array[some] for array in asked)
            if self._rivers.names:
                slates.gather(self._held.handle, portion, 0)
                self._rivers.fill(self._held.query)
            part = slates.Slates._make(array[some] for array in out)
            slates.recommend(self._held.handle, portion, rules, bool(self._rivers.names), order, part)
        self._name_no_blocked(out, hashes)
        return Filled(out)

    def arrange(
        self, rows: NDArray[np.int32], hashes: NDArray[np.uint64], ruled: Ruled, asked: Asked | None = None
    ) -> Filled:
        """Slates under rules, for n users; arguments as `rank` has them.

        Raises:
            ValueError: k is below 1.
        """
        if ruled.scene.k < 1:
            raise ValueError(f"k is {ruled.scene.k}")
        state, ttl = self._held.state, ruled.scenario.event_ttl_seconds
        with ExitStack() as part:
            if ttl:
                part.enter_context(only_since(state, rows, hashes, ttl))
            if ruled.scenario.logic == OF_BASKET:
                part.enter_context(only_of(state, rows, hashes, ruled.own_types))
            if ttl or ruled.scenario.logic == OF_BASKET:
                asked = None  # of the whole history
            return self._arrange(rows, hashes, ruled, asked)

    def _arrange(
        self, rows: NDArray[np.int32], hashes: NDArray[np.uint64], ruled: Ruled, asked: Asked | None
    ) -> Filled:
        self._reranking.begin()
        scene = ruled.scene
        lists: list[NearList] = []
        if ruled.scenario.logic in OF_USER or ruled.spaces:
            scene, lists = self._own_lists.of(rows, ruled, self._near_of(rows, bool(ruled.spaces)))
        if not scene.ranks:
            asked = self._unasked(rows, hashes)
        elif asked is None or ruled.narrow is not None:
            asked = self.ask(rows, hashes, ruled.narrow)
        out, marked = empty_slates(len(rows), scene.k), empty_marks(len(rows), scene.k)
        n_chance = max(len(scene.among), len(self._held.query.codes)) if scene.explores > 0 else 0
        pool = self._pool(scene.k, len(scene.pins), n_chance)
        rerank = ruled.scenario.rerank if scene.ranks else None
        for some in self._portions(len(rows), scene.ranks, rerank):
            portion = Asked._make(array[some] for array in asked)
            ready = self._prepared(portion, rerank) if scene.ranks else NOTHING
            part = slates.Slates._make(array[some] for array in out)
            marks = Marked._make(array[some] for array in marked)
            arrange.recommend(
                self._held.handle,
                portion,
                _scene_of(scene, some) if ready else scene,
                ruled.masks,
                self._attribution.handle,
                ready,
                pool,
                part,
                marks,
            )
        if ruled.n_among:
            _of_all(marked, scene.explores, len(scene.among), ruled.n_among)
        say_why(self._held.state, out, marked, lists)
        self._name_no_blocked(out, hashes)
        return Filled(out, marked, ruled.scenario.fallbacks)

    def _pool(self, k: int, n_pins: int, n_chance: int) -> Pool:
        """Working memory of this size, a reference; of the last sizes it is kept."""
        size = k, n_pins, n_chance
        if size not in self._pools:
            if len(self._pools) == KNOWN_POOLS:
                self._pools.clear()
            self._pools[size] = refer(empty_pool(*size))
        return self._pools[size]

    def _portions(self, n: int, ranks: bool, rerank: Rerank | None) -> Iterable[slice]:
        """How n users are arranged: one by one where something in Python has a say."""
        if not ranks:
            return (slice(None),)
        return self._rivers.portions(n) if rerank is None else (slice(i, i + 1) for i in range(n))

    def _prepared(self, portion: Asked, rerank: Rerank | None) -> int:
        """What Python has to say of the only user's candidates is said; how far the query is then."""
        if rerank is None and not self._rivers.names:
            return NOTHING
        slates.gather(self._held.handle, portion, 0)
        self._rivers.fill(self._held.query)
        if rerank is None:
            return GATHERED
        slates.score(self._held.handle)
        self._reranking.apply(rerank, self._held)
        return SCORED

    def named(self, filled: Filled, rules_upto: int | None = None) -> Ranked:
        """With ids and names, for whoever reads them; `rules_upto` as in `Ranked`."""
        return ranked(filled, self._names, self._held.state.items, self._sources(), rules_upto)

    def encoded(self, filled: Filled) -> Encoded:
        """As they are stored.

        Raises:
            ValueError: a score is not finite.
        """
        return encoded(filled, self._held, self._sources())

    def score(self, row: int, items: NDArray[np.int32]) -> None:
        """Score the candidates of one user row, and these items beside them: the working memory holds them then.

        Items that a source that is switched off would have to bring in are left out, and those there is no room for.

        Args:
            row: of the user; below 0 as in `kernels.candidates.read_context`.
            items: int32 [n], rows.
        """
        asked = self.ask(np.array([row], np.int32), np.zeros(1, np.uint64))
        asked = asked._replace(indexed=np.concatenate([items, asked.indexed[0]])[None, :])
        rivers = bool(self._rivers.names)
        if rivers:
            slates.gather(self._held.handle, asked, 0)
            self._rivers.fill(self._held.query)
        rules = Rules(k=1, allow_seen=True)
        order, out = np.empty(1, np.int32), empty_slates(1, 1)
        slates.recommend(self._held.handle, asked, rules, rivers, order, out)

    def _name_no_blocked(self, out: slates.Slates, users: NDArray[np.uint64]) -> None:
        """No item that a user (a hash) has blocked is named as a reason, though the history may hold it."""
        state = self._held.state
        if not state.blocked.counters["n_rows"][0]:
            return
        for user, because in zip(users, out.because, strict=True):
            because[blocked(state, user, because & ROW_MASK) & (because != NO_CODE)] = NO_CODE

    def _unasked(self, rows: NDArray[np.int32], hashes: NDArray[np.uint64]) -> Asked:
        """For logics that need no vectors."""
        n, width = len(rows), len(self._held.query.vector)
        nowhere = np.full((n, len(self._vectors.nowhere)), -1, np.int32)
        near = self._vectors.spaces.find(self._held.state, self._near(n, 0))
        return Asked(rows, hashes, np.zeros((n, width), np.float32), np.zeros(n, np.bool_), nowhere, near)

    def ask(
        self, rows: NDArray[np.int32], hashes: NDArray[np.uint64], narrow: NDArray[np.bool_] | None = None
    ) -> Asked:
        """The users' query vectors, and what the index finds near them, of all items or of a few.

        Args:
            rows: as `rank` has them.
            hashes: as `rank` has them.
            narrow: bool [rows], of which items; None = of all.
        """
        vectors, has_vector = self._vectors_of(len(rows))
        near = self._near(len(rows), n_slots(self._held.state))
        slates.query_vectors(self._held.handle, rows, vectors, has_vector, near)
        if (of_items := rows < -1).any():
            has_vector[of_items] &= learned_inputs(self._held.state.factors, -2 - rows[of_items])
        indexed = self._vectors.search(vectors, narrow)
        indexed[~has_vector] = -1
        found = self._vectors.spaces.find(self._held.state, near, narrow)
        return Asked(rows, hashes, vectors, has_vector, indexed, found)

    def _vectors_of(self, n: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Room for the query vectors of n users."""
        return np.empty((n, len(self._held.query.vector)), np.float32), np.empty(n, np.bool_)

    def _near_of(self, rows: NDArray[np.int32], asks: bool) -> Near:
        """What users ask of the vector spaces, if they do."""
        near = self._near(len(rows), n_slots(self._held.state) if asks else 0)
        if asks:
            slates.query_vectors(self._held.handle, rows, *self._vectors_of(len(rows)), near)
        return near

    def _near(self, n: int, slots: int) -> Near:
        """Room for what n users ask of the first slots of vector spaces."""
        of_one = self._held.query.spaces
        return Near(
            np.empty((n, slots, of_one.means.shape[1]), np.float32),
            np.empty((n, slots, of_one.singles.shape[1]), np.int32),
            np.empty((n, slots), np.bool_),
        )


def _of_all(marked: Marked, explores: float, n_sampled: int, n_all: int) -> None:
    """Chance has chosen from a sample: the chance of an item is that it is in it, and is chosen."""
    is_left_to_chance = marked.propensities < 1.0
    by_chance = is_left_to_chance & (marked.marks == EXPLORED)
    marked.propensities[by_chance] *= n_sampled / n_all
    marked.propensities[is_left_to_chance & ~by_chance] = 1.0 - explores + explores / n_all


def _scene_of(scene: Scene, some: slice) -> Scene:
    """With the own lists of some of the users."""
    if not len(scene.own_ends):
        return scene
    first = int(scene.own_ends[some.start - 1]) if some.start else 0
    return scene._replace(
        own=scene.own[first:],
        own_marks=scene.own_marks[first:],
        own_scores=scene.own_scores[first:],
        own_ends=scene.own_ends[some] - first,
    )
