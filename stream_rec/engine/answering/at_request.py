"""What is ranked when it is asked for: users, sessions of nobody, given items, items like others. Reads only.

Nothing that a request says is learned. Everything runs in the engine's thread, between batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.had import blocked, said_by
from stream_rec.engine.answering.lent_row import LentRow
from stream_rec.engine.catalogue import lists
from stream_rec.engine.engine import Engine
from stream_rec.engine.fold.encode import SCORE_DECIMALS
from stream_rec.engine.fold.slates import Rules
from stream_rec.engine.held import SideMemory
from stream_rec.engine.names import rows_of
from stream_rec.engine.results import Ranked
from stream_rec.engine.state import create
from stream_rec.engine.steering.request_filters import Key, RequestFilters
from stream_rec.engine.steering.scenes import Ruled
from stream_rec.kernels.candidates import CANDIDATE_BITS
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.pairs import DISLIKED, OF_ITEM
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Reason, SlateItem
from stream_rec.schemas.scenario import Scenario
from stream_rec.sources.ratings import predicted

MAX_RANKED = 1000
"""Items of one request."""
MAX_FILTERS = 32
UNKNOWN_ROW = -1


RANKED, UNKNOWN = Reason("ranker"), Reason("unknown")
"""Of given items: why they stand where they stand. What the engine does not know is behind all others."""


class AtRequest:
    """Ranks for requests. Engine's thread.

    Args:
        engine: that holds what was learned.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        settings = engine.settings
        wide = create.query(settings, 1 << CANDIDATE_BITS, MAX_RANKED + len(engine.held.query.indexed))
        self._wide = SideMemory(engine.held, wide)
        self._recommender = engine.recommender(self._wide)
        self._lent = LentRow(engine.held)
        self._place_of = np.zeros(len(engine.state.generation), np.int32)
        self._filters = RequestFilters(
            engine.held, engine.attributes, engine.event_types, engine.decisions.pacing, MAX_FILTERS
        )

    def knows_user(self, user_id: str) -> bool:
        """Has the user done anything."""
        return self._row(user_id) >= 0

    def described(self, item_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What is known of items (`ItemAttributes.of`), by id; unknown ones are left out."""
        rows = rows_of(self.engine.state.items, IdColumn.of(item_ids)).tolist() if item_ids else []
        return {
            item_id: self.engine.attributes.of(row)
            for item_id, row in zip(item_ids, rows, strict=True)
            if row >= 0
        }

    def prepare(self, key: Key) -> bool:
        """One slice of compiling a request's filter; is it ready?

        Raises:
            TooManyFilters: so many others are being compiled.
            KeyError: there is no such scenario.
        """
        return self._filters.prepare(self._scenarios(key[0]), key)

    def users(
        self, users: Sequence[str], scenario: str, k: int, request: str = ""
    ) -> tuple[Ranked, list[bool]]:
        """Slates for users, under a filter that is ready, if there is one; and whether each has done anything.

        Raises:
            KeyError: there is no such scenario.
            TooManyFilters: the filter had to make room.
        """
        asked = self.engine.asking(users, scenario, k)
        known = (asked.rows >= 0).tolist()
        if not request:
            return self.engine.answer(asked), known
        return self.engine.slates(asked.rows, asked.hashes, self._rules(scenario, k, request)), known

    def blocked(self, user_id: str, items: Sequence[str]) -> set[str]:
        """Those of these items that the user dislikes or never wants to see, known to the engine or not."""
        return self._blocked(_hash(user_id), items)

    def _blocked(self, user: np.uint64, items: Sequence[str]) -> set[str]:
        state = self.engine.state
        said = said_by(state, user)
        if not said or not items:
            return set()
        of_items = [at for at in said if state.blocked.kinds[at] in (DISLIKED, *OF_ITEM)]
        ids = IdColumn.of(items)
        rows = rows_of(state.items, ids)
        found = np.isin(hash_ids(ids), state.blocked.whats[of_items])
        found[rows >= 0] |= blocked(state, user, rows[rows >= 0])
        return {item for item, is_blocked in zip(items, found.tolist(), strict=True) if is_blocked}

    def session(self, items: Sequence[str], scenario: str, k: int, request: str = "") -> Ranked | None:
        """The slate of a new user whose session is these items, the latest last; None = none of them is known."""
        rows = self._known_rows(items)
        if not rows:
            return None
        with self._lent.having(rows) as row:
            return self.engine.slates(*_nobody(row), self._rules(scenario, k, request))

    def connected(self, items: Sequence[str], k: int) -> Ranked | None:
        """What events or tags connect with these items, the latest counting most; None = none of them is known."""
        rows = self._known_rows(items)
        if not rows:
            return None
        rules = Rules(
            k=k, allow_seen=False, only_catalogue=self.engine.catalogue_decides, only_connected=True
        )
        if len(rows) == 1:
            return self.engine.slates(*_nobody(-2 - rows[0]), rules)
        with self._lent.having(rows) as row:
            return self.engine.slates(*_nobody(row), rules)

    def rank(
        self,
        items: Sequence[str],
        user_id: str | None,
        session: Sequence[str],
        scenario: str = "",
        request: str = "",
    ) -> list[SlateItem]:
        """These items, best first, for a user, else for a session; what may not be shown is left out.

        What the engine does not know (its reason is UNKNOWN) stands behind the others, in the order given.

        Args:
            items: MAX_RANKED at most.
            user_id: whose; None = the session's.
            session: items, the latest last.
            scenario: whose filter, boosts and rotation count; "" = none.
            request: a filter that is ready.

        Raises:
            KeyError: there is no such scenario.
        """
        ids, user = list(dict.fromkeys(items)), UNKNOWN_ROW
        if user_id is not None:
            who = IdColumn.of([user_id])
            hashes = hash_ids(who)
            user = int(rows_of(self.engine.state.users, who, hashes)[0])
            if unwanted := self._blocked(hashes[0], ids):
                ids = [item for item in ids if item not in unwanted]
        if not ids:
            return []
        rows = rows_of(self.engine.state.items, IdColumn.of(ids))
        ruled = self._rules(scenario, 1, request) if scenario or request else None
        only = self.engine.catalogue_decides
        if user_id is not None:
            scores = self._scores(user, rows, ruled, only)
            if isinstance(ruled, Ruled):
                held = rows >= 0
                scores[held] += self.engine.fades(scenario, user, rows[held])
        elif known := self._known_rows(session):
            with self._lent.having(known) as row:
                scores = self._scores(row, rows, ruled, only)
        else:
            scores = self._scores(user, rows, ruled, only)
        order = np.argsort(-scores, kind="stable")
        order = order[np.isfinite(scores[order])]
        rounded = np.round(scores[order], SCORE_DECIMALS).tolist()
        found = list(map(SlateItem, [ids[i] for i in order.tolist()], rounded, repeat(RANKED)))
        if only or _filters(ruled):
            return found
        unknown = [ids[i] for i in np.flatnonzero(rows < 0).tolist()]
        hidden = set(self.engine.hidden(unknown)) if unknown else set()
        least = found[-1].score if found else 0.0
        return found + [SlateItem(item, least, UNKNOWN) for item in unknown if item not in hidden]

    def _scores(
        self, user: int, rows: NDArray[np.int32], ruled: Ruled | Rules | None, only_catalogue: bool
    ) -> NDArray[np.float64]:
        """Float64 [n] of item rows; -inf = it may not be shown, or is unknown (row -1).

        What no source can describe stands behind the others, by popularity.
        """
        engine, query = self.engine, self._wide.query
        known = rows[rows >= 0]
        self._recommender.score(user, known)
        at = self._places(query.codes[: int(query.n_candidates[0])] & ROW_MASK, known)
        own = np.where(at >= 0, query.scores[at], -np.inf).astype(np.float64)
        if isinstance(ruled, Ruled) and ruled.scene.by_rating:
            own, at = predicted(engine.state.ratings, user, known), np.zeros(len(known), np.int32)
        if (at < 0).any():
            weights = lists.weights(engine.state, known.astype(np.int64))
            least = float(np.min(own, where=at >= 0, initial=0.0))
            own = np.where(at >= 0, own, least - 1.0 + weights / (1.0 + weights))
        shown = lists.may_be_shown(engine.state, only_catalogue, known)
        if isinstance(ruled, Ruled):
            masks = ruled.masks
            if len(masks.boosts):
                own = own + masks.boosts[known]
            if ruled.scene.filters:
                through = (masks.bits[known] >> np.uint64(ruled.scene.number)) & np.uint64(1) == 1
                shown = shown & through & (masks.evaluated[known] == engine.state.generation[known])
        scores = np.full(len(rows), -np.inf)
        scores[rows >= 0] = np.where(shown, own, -np.inf)
        return scores

    def _places(self, candidates: NDArray[np.int32], rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Int32 [n]: where each of the rows stands among the candidates, which are distinct; -1 = it is none.

        A sparse set (Briggs and Torczon, 1993): what is left of other calls is told by the candidates' own rows.
        """
        n = len(candidates)
        if not n:
            return np.full(len(rows), -1, np.int32)
        self._place_of[candidates] = np.arange(n, dtype=np.int32)
        at = np.minimum(self._place_of[rows], n - 1)
        at[candidates[at] != rows] = -1
        return at

    def _rules(self, scenario: str, k: int, request: str) -> Ruled | Rules:
        if not request:
            return self.engine.rules_of(scenario, k)
        self._scenarios(scenario)
        only = self.engine.catalogue_decides
        return self._filters.ruled((scenario, request), k, only_catalogue=only)

    def _scenarios(self, name: str) -> Mapping[str, Scenario]:
        scenarios = self.engine.decisions.scenarios
        if name not in scenarios:
            raise KeyError(name)
        return scenarios

    def _row(self, user_id: str) -> int:
        return int(rows_of(self.engine.state.users, IdColumn.of([user_id]))[0])

    def _known_rows(self, items: Sequence[str]) -> list[int]:
        rows = rows_of(self.engine.state.items, IdColumn.of(items)).tolist() if items else []
        return [row for row in rows if row >= 0]


def _hash(user_id: str) -> np.uint64:
    found: np.uint64 = hash_ids(IdColumn.of([user_id]))[0]
    return found


def _nobody(row: int) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """A row that is nobody's, and the hash of nobody's id, who has blocked nothing."""
    return np.array([row], np.int32), np.zeros(1, np.uint64)


def _filters(rules: Ruled | Rules | None) -> bool:
    return isinstance(rules, Ruled) and rules.scene.filters
