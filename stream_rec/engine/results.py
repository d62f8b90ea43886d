"""What the engine answers: arrays in the batch's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.encode import PROPENSITY_DECIMALS
from stream_rec.engine.fold.pool import EXPLORED, FALLBACK, HAD_BEFORE, OWED, PINNED, PROMOTED, RANKED
from stream_rec.engine.steering.trials import Dealt

MISS = 0
"""The rank of a target that no candidate list held."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Fresh prequential results: m events that were asked for before they were learned.

    Ranks are 1-based over the full catalogue, ties count against us, `MISS` = not among the candidates.

    Attributes:
        at: int32 [m], index of the event in its batch.
        rank: int32 [m], of the blended ranking.
        rank_by_source: int32 [m, n_sources], of each source alone (order of `Engine.sources`).
        popularity: int32 [m], of plain popularity.
        only_index: bool [m], the target was a candidate and only the vector index had found it.
    """

    at: NDArray[np.int32]
    rank: NDArray[np.int32]
    rank_by_source: NDArray[np.int32]
    popularity: NDArray[np.int32]
    only_index: NDArray[np.bool_]


class Rated(NamedTuple):
    """m ratings, and what the engine had expected of each just before it learned from it.

    Attributes:
        at: int64 [m], index of the event in its batch, ascending.
        values: float32 [m].
        expected: float32 [m].
    """

    at: NDArray[np.int64]
    values: NDArray[np.float32]
    expected: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learned:
    """What one call of `Engine.learn` did.

    Attributes:
        n_learned: events learned now; less than the batch's length when a part was learned before, or is ignored.
        repeated: int64 [m], ascending, the events of the batch that were dropped: their event_id was learned
            before, inside the bounded window, or their user has been forgotten since.
        past: int64 [p], ascending, the events of users who were forgotten or became others since: no slate is for them.
        ignored: int64 [i], ascending, the events of the batch that leave no trace by their type.
        no_interest: int64 [d], ascending, the events of the batch that are learned, but no interest: dislikes,
            events that take others back, and what only rates its item.
        fresh: the judged sample.
        rated: the ratings, but for the very first.
        evicted_users: users that made room.
        evicted_items: items that made room.
    """

    n_learned: int
    repeated: NDArray[np.int64]
    past: NDArray[np.int64]
    ignored: NDArray[np.int64]
    no_interest: NDArray[np.int64]
    fresh: Judged
    rated: Rated
    evicted_users: int
    evicted_items: int

    @property
    def n_repeated(self) -> int:
        """How many were dropped."""
        return len(self.repeated)

    @property
    def n_ignored(self) -> int:
        """How many leave no trace."""
        return len(self.ignored)


class Placed(NamedTuple):
    """Why an item stands where it does.

    Attributes:
        by: `seen`, `pin`, `promotion`, `floor`, `exploration` or `fallback:<logic>`; None = by its rank.
        propensity: with which chance could have put it there; None = chance had no say.
    """

    by: str | None
    propensity: float | None


MARK_NAMES = {
    RANKED: None,
    HAD_BEFORE: "seen",
    PINNED: "pin",
    PROMOTED: "promotion",
    EXPLORED: "exploration",
    OWED: "floor",
}


@dataclass(frozen=True, slots=True)
class Ranked:
    """Slates for n users, before they become records.

    Attributes:
        items: item ids per user, best first; shorter than k only when what may be shown is.
        scores: per user, aligned with `items`; descending but where rules moved items.
        sources: per user, index into `Engine.sources` of the source that lifts the item most above others.
        because: per user, the user's item each item was found from; "" = none (e.g. popularity).
        rows: int32 [n, k], item rows, -1 = none.
        hashes: uint64 [n, k], of the item ids (`kernels.ids`), 0 = none.
        only_index: bool [n, k], only the vector index had found the item.
        relaxed: per user, all that may be shown is in the user's history: the slate holds it all the same.
        source_names: what `sources` points into: `Engine.sources`.
        marks: uint8 [n, k], why items stand where they do besides their rank (engine.fold.pool); None = by rank alone.
        propensities: float32 [n, k], the chance with which each item came to stand there; None like the marks.
        fallbacks: of the scenario, in order: what marks of fallbacks name.
        rules_upto: offset on `control` of the last decision that the rules know, where a later one is being compiled;
            None = all that was learned.
        dealt: per user, the arm that the slate is of, None = of none; empty = nobody's is of any.
        teams: per user, the arm that brought each item, where two were interleaved; empty = nowhere.
    """

    items: list[list[str]]
    scores: list[list[float]]
    sources: list[list[int]]
    because: list[list[str]]
    rows: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    only_index: NDArray[np.bool_]
    relaxed: list[bool]
    source_names: tuple[str, ...]
    marks: NDArray[np.uint8] | None = None
    propensities: NDArray[np.float32] | None = None
    fallbacks: tuple[str, ...] = ()
    rules_upto: int | None = None
    dealt: Sequence[Dealt | None] = ()
    teams: Sequence[Sequence[str]] = ()

    def places(self, user: int) -> list[Placed]:
        """Why each item of a user's slate stands where it does, besides its rank; empty = by rank, all of them."""
        if self.marks is None or self.propensities is None:
            return []
        n = len(self.items[user])
        marks, chances = self.marks[user, :n].tolist(), self.propensities[user, :n].tolist()
        if not any(marks) and min(chances, default=1.0) == 1.0:
            return []
        return [
            Placed(self._name(mark), round(chance, PROPENSITY_DECIMALS) if chance < 1.0 else None)
            for mark, chance in zip(marks, chances, strict=True)
        ]

    def _name(self, mark: int) -> str | None:
        return mark_name(mark, self.fallbacks)


def mark_name(mark: int, fallbacks: tuple[str, ...]) -> str | None:
    """What `Placed.by` says for a mark of engine.fold.pool."""
    return f"fallback:{fallbacks[mark - FALLBACK]}" if mark >= FALLBACK else MARK_NAMES[mark]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Slates for n users, as they are stored.

    Attributes:
        items: per user, the JSON of the slate's items (schemas.records.SlateItem), best first.
        hashes: uint64 [n, k], of the item ids (`kernels.ids`), 0 = none.
        n_items: of all slates together.
        n_only_index: how many of them only the vector index had found.
        relaxed: as in `Ranked`.
        rules_upto: as in `Ranked`.
        dealt: as in `Ranked`.
    """

    items: list[bytes]
    hashes: NDArray[np.uint64]
    n_items: int
    n_only_index: int
    relaxed: list[bool]
    rules_upto: int | None = None
    dealt: Sequence[Dealt | None] = ()


class FilterMove(NamedTuple):
    """An item that a scenario's filter stops, or begins, to let through, although the filter is the same."""

    scenario: str
    item_id: str
    may_be_shown: bool


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A list that belongs to no user: popular, trending, new, or similar to an item; best first."""

    items: list[str]
    scores: list[float]
