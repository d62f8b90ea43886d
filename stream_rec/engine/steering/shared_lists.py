"""Lists that are the same for everybody: what slates are filled from, what chance chooses from, what a filter leaves.

Made when they are asked for, and kept as of not long ago: a batch's slates have the same. Lists of a user's own:
`engine.answering.own_lists`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.catalogue import lists
from stream_rec.engine.fold.pool import FALLBACK, RANKED
from stream_rec.engine.fold.state import State
from stream_rec.engine.held import Held
from stream_rec.engine.names import n_rows
from stream_rec.engine.steering import places
from stream_rec.rules.compiled import Compiled
from stream_rec.rules.masks import NO_NUMBER, RuleMasks
from stream_rec.schemas.scenario import SPACE_PREFIX, Scenario

REFRESH_EVENTS = 1024
"""Events after which lists are made anew, and"""
REFRESH_SECONDS = 0.5
"""event time after which they are: of little traffic, and at its end, the newest item would wait for minutes."""
NARROW = 0.2
"""The share of the items that a filter leaves below which the vector index searches under it."""
N_LISTED = 512
"""Items of a list that slates are filled from."""
LISTS = ("popular", "trending", "new", "leaderboard")
"""Logics that a list orders, the same for everybody."""
_NO_ROWS: NDArray[np.int32] = np.zeros(0, np.int32)
_NO_FLOATS: NDArray[np.float32] = np.zeros(0, np.float32)
_NO_BYTES: NDArray[np.uint8] = np.zeros(0, np.uint8)


class _Listed(NamedTuple):
    stamp: tuple[int, ...]
    rows: NDArray[np.int32]
    scores: NDArray[np.float32]


class Lists(NamedTuple):
    """Lists one after the other.

    Attributes:
        rows: int32 [n], of items, the best of each list first.
        marks: uint8 [n], which list: RANKED, or FALLBACK and its number.
        scores: float32 [n], what orders them.
    """

    rows: NDArray[np.int32]
    marks: NDArray[np.uint8]
    scores: NDArray[np.float32]


class SharedLists:
    """The lists of an engine's scenarios. Engine's thread.

    Args:
        held: the state, read only.
        masks: what the rules of scenarios compile to.
    """

    def __init__(self, held: Held, masks: RuleMasks) -> None:
        self._held = held
        self._masks = masks
        self._lists: dict[tuple[str, int], _Listed] = {}
        self._sampled: dict[int, tuple[tuple[int, ...], NDArray[np.int32], int]] = {}
        self._narrowed: dict[int, tuple[tuple[int, ...], NDArray[np.bool_] | None]] = {}

    def listed(self, compiled: Compiled, only_catalogue: bool) -> Lists:
        """The lists of the logic, if it is one, and of the fallbacks, one after the other."""
        tiers = [
            (mark, logic)
            for mark, logic in tiers_of(compiled.scenario)
            if not logic.startswith(SPACE_PREFIX) and (mark != RANKED or logic in LISTS)
        ]
        made = [(mark, self._list(logic, compiled, only_catalogue)) for mark, logic in tiers]
        of_one = [Lists(one.rows, np.full(len(one.rows), mark, np.uint8), one.scores) for mark, one in made]
        if len(of_one) == 1:  # as of nearly every scenario: its one list is taken as it is
            return of_one[0]
        return Lists(
            np.concatenate([_NO_ROWS, *(each.rows for each in of_one)]),
            np.concatenate([_NO_BYTES, *(each.marks for each in of_one)]),
            np.concatenate([_NO_FLOATS, *(each.scores for each in of_one)]),
        )

    def narrow(self, compiled: Compiled) -> NDArray[np.bool_] | None:
        """As of the same moment as lists: what the index finds is tested again."""
        if not compiled.program.filters:
            return None
        stamp = self._stamp(compiled.version, only_catalogue=False)
        known = self._narrowed.get(compiled.number)
        if known is None or known[0] != stamp:
            n = n_rows(self._held.state.items)
            shown = self.filtered(compiled, n)
            known = stamp, shown if np.count_nonzero(shown) < NARROW * n else None
            self._narrowed[compiled.number] = known
        return known[1]

    def filtered(self, compiled: Compiled, n: int) -> NDArray[np.bool_]:
        """Bool [n], the rows whose items the scenario's filter lets through."""
        bits = (self._masks.bits[:n] >> np.uint64(compiled.number)) & np.uint64(1)
        through: NDArray[np.bool_] = (bits == 1) & (
            self._masks.evaluated[:n] == self._held.state.generation[:n]
        )
        return through

    def _stamp(self, rules_version: int, *, only_catalogue: bool) -> tuple[int, ...]:
        """Changes when lists under rules of this version (0 = none) are to be made anew."""
        state = self._held.state
        n_learned, n_changed = int(state.counters[0]["n_learned"]), int(state.counters[0]["n_items_changed"])
        is_large = n_rows(state.items) > N_LISTED  # of few items, the lists are always fresh
        every = REFRESH_EVENTS if is_large else 1
        moment = int(float(state.clock[0]) // REFRESH_SECONDS)
        return moment, n_learned // every, n_changed // every, rules_version // every, int(only_catalogue)

    def floor_rows(self, compiled: Compiled, only_catalogue: bool) -> NDArray[np.int32]:
        """What floors have where they have no candidates: the newest items."""
        bits = places.floor_bits(compiled.scenario)
        if not bits:
            return places.NO_FLOOR_ROWS
        return places.table_of_floors(
            (bit, self._list("new", compiled, only_catalogue, bit).rows[: places.N_OF_FLOOR]) for bit in bits
        )

    def _list(self, logic: str, compiled: Compiled, only_catalogue: bool, bit: int | None = None) -> _Listed:
        """The best rows of a list that the scenario may show (with a bit: of that floor), as of not long ago.

        Scenarios whose rules change nothing of it share one.
        """
        ordered = logic == "leaderboard" and len(compiled.order) > 0
        is_own = ordered or compiled.program.filters or len(compiled.boosts) > 0 or bit is not None
        stamp = self._stamp(compiled.version if is_own else 0, only_catalogue=only_catalogue)
        key = (logic if bit is None else f"{logic}/{bit}", compiled.number if is_own else NO_NUMBER)
        known = self._lists.get(key)
        if known is not None and known.stamp == stamp:
            return known
        is_ordered_by_weight = logic == "popular" and bit is None and not len(compiled.boosts)
        before = known.rows if known is not None and is_ordered_by_weight else _NO_ROWS
        rows = self._rows_to_list(compiled, only_catalogue, before)
        made = self._make_list(logic, compiled, only_catalogue, stamp, bit, rows)
        self._lists[key] = made
        return made

    def _rows_to_list(
        self, compiled: Compiled, only_catalogue: bool, before: NDArray[np.int32]
    ) -> lists.Rows:
        """Rows among which are the heaviest that a list has room for, given those of its last making; slice = all."""
        if len(before) == N_LISTED and self._shown(compiled, only_catalogue, before).all():
            return lists.as_heavy(self._held.state, before)
        return slice(n_rows(self._held.state.items))

    def _make_list(
        self,
        logic: str,
        compiled: Compiled,
        only_catalogue: bool,
        stamp: tuple[int, ...],
        bit: int | None,
        of: lists.Rows,
    ) -> _Listed:
        scores = _scores(self._held.state, logic, compiled, of)
        shown = self._shown(compiled, only_catalogue, of)
        if bit is not None:
            shown &= (compiled.promoted[of] >> bit & 1).astype(np.bool_)
        found = np.flatnonzero(shown & ~np.isnan(scores))
        rows, values = found if isinstance(of, slice) else of[found], scores[found]
        if len(compiled.boosts):
            values = values + compiled.boosts[rows]
        if len(rows) > N_LISTED:
            best = values >= np.partition(values, -N_LISTED)[-N_LISTED]
            rows, values = rows[best], values[best]
        order = np.argsort(-values, kind="stable")[:N_LISTED]
        return _Listed(stamp, rows[order].astype(np.int32), values[order].astype(np.float32))

    def _shown(self, compiled: Compiled, only_catalogue: bool, of: lists.Rows) -> NDArray[np.bool_]:
        """Bool, for each of some rows: may the scenario show it?"""
        state, n = self._held.state, n_rows(self._held.state.items)
        shown: NDArray[np.bool_] = lists.may_be_shown(state, only_catalogue, of)
        shown &= state.items.lengths[of] >= 0
        return shown & self.filtered(compiled, n)[of] if compiled.program.filters else shown

    def among(self, compiled: Compiled, only_catalogue: bool) -> tuple[NDArray[np.int32], int]:
        """What chance chooses from, and of how many items it is a sample (0 = of none)."""
        explores = compiled.scenario.exploration
        if explores is None:
            return _NO_ROWS, 0
        if explores.among == "candidates":
            logic = compiled.scenario.logic
            return self._list(logic, compiled, only_catalogue).rows if logic in LISTS else _NO_ROWS, 0
        if explores.among == "new":
            return self._list("new", compiled, only_catalogue).rows, 0
        is_own = compiled.program.filters
        stamp = self._stamp(compiled.version if is_own else 0, only_catalogue=only_catalogue)
        key = compiled.number if is_own else NO_NUMBER
        known = self._sampled.get(key)
        if known is None or known[0] != stamp:
            known = self._sampled[key] = stamp, *self._sample(compiled, only_catalogue)
        return known[1], known[2]

    def _sample(self, compiled: Compiled, only_catalogue: bool) -> tuple[NDArray[np.int32], int]:
        """N_LISTED of all items that may be shown, others every REFRESH_EVENTS: the same log gives the same."""
        of_all = slice(n_rows(self._held.state.items))
        rows = np.flatnonzero(self._shown(compiled, only_catalogue, of_all)).astype(np.int32)
        if len(rows) <= N_LISTED:
            return rows, 0
        n_learned = int(self._held.state.counters[0]["n_learned"])
        random = np.random.default_rng(n_learned // REFRESH_EVENTS)
        return random.choice(rows, N_LISTED, replace=False, shuffle=False), len(rows)


def tiers_of(scenario: Scenario) -> list[tuple[int, str]]:
    """Mark and logic: what ranks, and the fallbacks."""
    fallbacks = () if scenario.strict else scenario.fallbacks
    return [(RANKED, scenario.logic), *((FALLBACK + f, logic) for f, logic in enumerate(fallbacks))]


def _scores(state: State, logic: str, compiled: Compiled, of: lists.Rows) -> NDArray[np.float64]:
    """What orders a list, for some rows; NaN = not in it. As logarithms, where boosts multiply."""
    if logic == "leaderboard" and len(compiled.order):
        return compiled.order[of].astype(np.float64)
    if logic == "trending":
        return lists.trend(state, of)
    if logic == "new":
        days: NDArray[np.float64] = state.first_seen[of] / 86_400.0
        return days
    logs_of: NDArray[np.float64] = np.log(lists.weights(state, of) + 1e-9)
    return logs_of
