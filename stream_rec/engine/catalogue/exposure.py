"""How what was shown lately is spread over items, owners and tags, and how different what one user is shown is.

It is read from the join of impressions and interactions, which is learned and holds the last impressions: so nothing
more is kept, and every replica says the same. Engine's thread, piece by piece: records are learned between two pieces,
so an item that goes meanwhile may be counted as it was or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, name_of
from stream_rec.feedback.exposure import Amounts, diversity, gini, top_share
from stream_rec.feedback.measures import NamedFigure
from stream_rec.kernels.columns import TAG, TEXT
from stream_rec.trials.assignment import mixed

MOST_IMPRESSIONS, MOST_PLACES = 5_000, 100_000
"""The newest that are looked at."""
PORTION = 8_192
"""Items, or places, that one piece looks at: about a millisecond."""
PORTION_OF_USERS, MOST_OF_USER = 2_048, 8_192
"""Places of whole users that one piece looks at, and of one user with more, the newest ones."""
NAMED = 5
"""Owners, and tags, whose share is told: those that are shown most."""
_HALVES = ("all", "earlier", "later")
_FORBIDDEN = str.maketrans(dict.fromkeys(',={}"\\\n', "_"))
"""In the name of a figure."""

Figures = dict[NamedFigure, float]


class _Places(NamedTuple):
    """Places of the newest impressions, a user's together, in log order.

    Attributes:
        row: int64 [p], of the item; only such as have one.
        user: int64 [p], number of the user, from 0; -1 = forgotten.
        late: bool [p], of the later half of the user's impressions.
    """

    row: NDArray[np.int64]
    user: NDArray[np.int64]
    late: NDArray[np.bool_]


class _Kinds(NamedTuple):
    """What items are, a line for each: an item of two tags has two.

    Attributes:
        at: int64 [m], of which of the rows asked for.
        kind: int64 [m], number of a text.
        weight: float64 [m], 1 / lines of the item.
    """

    at: NDArray[np.int64]
    kind: NDArray[np.int64]
    weight: Amounts


def figures(engine: Engine) -> Figures:
    """All pieces one after the other."""
    counting = pieces(engine)
    while True:
        try:
            next(counting)
        except StopIteration as end:
            return dict(end.value)


def pieces(engine: Engine) -> Generator[None, None, Figures]:
    """`exposure`, `exposure_share` and `exposure_diversity` (docs/metrics.md), counted in bounded pieces.

    Yields:
        Nothing, after each piece.

    Returns:
        The figures; none before anything was shown.
    """
    n_items = n_rows(engine.state.items)
    places = yield from _places(engine, n_items)
    if not len(places.row):
        return {}
    shown = np.bincount(places.row, minlength=n_items).astype(np.float64)
    found = _spread("item", shown[_may_be_shown(engine, n_items)])
    found[_figure("exposure", by="item", figure="places")] = float(len(places.row))
    yield
    for by, kinds_of in (("owner", _owners), ("tag", _tags)):
        amounts, there = yield from _by_kind(engine, shown, kinds_of)
        if there.any():
            found |= _spread(by, amounts[there]) | dict(_largest(engine, by, amounts))
        yield
    return found | (yield from _of_users(engine, places))


def _parts(n: int) -> Iterator[slice]:
    return (slice(at, min(at + PORTION, n)) for at in range(0, n, PORTION))


def _places(engine: Engine, n_items: int) -> Generator[None, None, _Places]:
    state = engine.attribution.state
    counters, entries, ring = state.counters[0], state.exposures.entries, state.places.item
    newest, oldest = int(counters["next_exposure"]), int(counters["oldest_exposure"])
    own = entries[np.arange(max(oldest, newest - MOST_IMPRESSIONS), newest) % len(entries)]
    own = own[np.cumsum(own["length"][::-1])[::-1] <= MOST_PLACES]
    own = own[np.argsort(own["user"], kind="stable")]
    lengths = own["length"].astype(np.int64)
    of_place = np.repeat(np.arange(len(own)), lengths)
    within = np.arange(len(of_place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    prints = ring[(own["first"][of_place] + within) % len(ring)]
    users, late = _halves(own["user"])
    yield
    rows = yield from _rows_of(engine, prints, n_items)
    known = rows >= 0
    return _Places(rows[known], users[of_place][known], late[of_place][known])


def _halves(owners: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Numbers of the users of n impressions, a user's together, and which are of the later half of the user's own."""
    _, starts, users, counts = np.unique(owners, return_index=True, return_inverse=True, return_counts=True)
    late = 2 * (np.arange(len(owners)) - starts[users]) >= counts[users]
    return np.where(owners == 0, -1, users), late


def _rows_of(
    engine: Engine, prints: NDArray[np.uint32], n_items: int
) -> Generator[None, None, NDArray[np.int64]]:
    """Rows of the items with these fingerprints (`kernels.attribution.fingerprint`); -1 = it has none any more.

    Fingerprints are alike in all their bits, so those with the same first ones are a piece of bounded size.
    """
    own, found = np.zeros(n_items, np.uint32), np.full(len(prints), -1, np.int64)
    taken = np.zeros(n_items, np.bool_)
    for part in _parts(n_items):
        own[part] = mixed(engine.state.items.hashes[part]) >> np.uint64(32)
        taken[part] = engine.state.items.lengths[part] >= 0
        yield
    n_bits = max(1, (max(n_items, len(prints)) // PORTION).bit_length())
    for first_bits in range(1 << n_bits):
        mine = np.flatnonzero(taken & (own >> np.uint32(32 - n_bits) == first_bits))
        asked = np.flatnonzero(prints >> np.uint32(32 - n_bits) == first_bits)
        if len(mine) and len(asked):
            mine = mine[np.argsort(own[mine])]
            at = np.minimum(np.searchsorted(own[mine], prints[asked]), len(mine) - 1)
            found[asked] = np.where(own[mine[at]] == prints[asked], mine[at], -1)
        yield
    return found


def _may_be_shown(engine: Engine, n_items: int) -> NDArray[np.bool_]:
    """Of the rows: an item has it, and the item is not hidden."""
    state = engine.state
    return np.asarray((state.items.lengths[:n_items] >= 0) & state.popularity.eligible[:n_items])


def _spread(by: str, amounts: Amounts) -> Figures:
    """How evenly n amounts, one at least, are spread."""
    told = {
        "gini": gini(amounts),
        "top_tenth": top_share(amounts),
        "coverage": float(np.count_nonzero(amounts) / max(len(amounts), 1)),
    }
    return {_figure("exposure", by=by, figure=figure): value for figure, value in told.items()}


def _owners(engine: Engine, rows: NDArray[np.int64]) -> _Kinds:
    owner = engine.state.columns.owner[rows]
    at = np.flatnonzero(owner)
    return _Kinds(at, owner[at].astype(np.int64), np.ones(len(at)))


def _tags(engine: Engine, rows: NDArray[np.int64]) -> _Kinds:
    own = engine.state.columns
    n_entries = own.n_entries[rows]
    most = int(n_entries.max(initial=0))
    there = np.arange(most) < n_entries[:, None]
    there &= (own.columns[rows, :most] == TAG) & (own.kinds[rows, :most] == TEXT)
    at, entries = np.nonzero(there)
    return _Kinds(at, own.values[rows[at], entries], 1.0 / there.sum(axis=1)[at])


def _by_kind(
    engine: Engine, shown: Amounts, kinds_of: Callable[[Engine, NDArray[np.int64]], _Kinds]
) -> Generator[None, None, tuple[Amounts, NDArray[np.bool_]]]:
    """[numbers of texts]: places of the items that are so, and is any item so."""
    n_kinds = n_rows(engine.state.texts) + 1
    amounts, there = np.zeros(n_kinds), np.zeros(n_kinds, np.bool_)
    for part in _parts(len(shown)):
        rows = np.arange(part.start, part.stop)
        kinds = kinds_of(engine, rows)
        counted = kinds.kind < n_kinds  # not the texts that came with the records of a moment ago
        there[kinds.kind[counted]] = True
        counted &= shown[rows[kinds.at]] > 0
        np.add.at(amounts, kinds.kind[counted], (shown[rows[kinds.at]] * kinds.weight)[counted])
        yield
    return amounts, there


def _largest(engine: Engine, by: str, amounts: Amounts) -> Iterator[tuple[NamedFigure, float]]:
    whole, shown = amounts.sum(), np.flatnonzero(amounts)
    for kind in shown[np.argsort(-amounts[shown], kind="stable")[:NAMED]].tolist():
        name = name_of(engine.state.texts, kind - 1).translate(_FORBIDDEN)
        yield _figure("exposure_share", by=by, name=name), float(amounts[kind] / whole)


def _of_users(engine: Engine, places: _Places) -> Generator[None, None, Figures]:
    """Mean over users of how different the tags are that each was shown: in all, earlier, and later."""
    found: list[NDArray[np.float64]] = [np.zeros((3, 0))]
    for part in _whole_users(places.user):
        some = _Places(places.row[part], places.user[part], places.late[part])
        found.append(_diversities(engine, some))
        yield
    whole, earlier, later = np.concatenate(found, axis=1)
    both = ~np.isnan(earlier) & ~np.isnan(later)
    of_half = dict(zip(_HALVES, (whole[~np.isnan(whole)], earlier[both], later[both]), strict=True))
    return {
        _figure("exposure_diversity", of=half): float(of.mean()) for half, of in of_half.items() if len(of)
    }


def _whole_users(users: NDArray[np.int64]) -> Iterator[slice]:
    """Places of known users, some users at a time."""
    starts = np.flatnonzero(np.diff(users, prepend=-1, append=-2))
    at = 0
    while at + 1 < len(starts):
        last = max(at + 1, int(np.searchsorted(starts, starts[at] + PORTION_OF_USERS, side="right")) - 1)
        yield slice(max(int(starts[at]), int(starts[last]) - MOST_OF_USER), int(starts[last]))
        at = last


def _diversities(engine: Engine, places: _Places) -> NDArray[np.float64]:
    """[3, users]: of each user's places, of the earlier and of the later half; NaN = nothing of it has a tag."""
    tags = _tags(engine, places.row)
    users, late = (places.user - places.user[0])[tags.at], places.late[tags.at]
    found = np.full((3, int(places.user[-1] - places.user[0]) + 1), np.nan)
    for half, mask in enumerate((np.ones(len(users), np.bool_), ~late, late)):
        of = diversity(users[mask], tags.kind[mask], tags.weight[mask])
        found[half, : len(of)] = of
    return found


def _figure(metric: str, /, **labels: str) -> NamedFigure:
    return metric, tuple(labels.items())
