"""How what was shown lately is spread over items, owners and tags, and how different what one user is shown is.

It is read from the join of impressions and interactions, which is learned and holds the last impressions: so nothing
more is kept, and every replica says the same. Engine's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, name_of
from stream_rec.feedback.exposure import Amounts, diversity, gini, top_share
from stream_rec.feedback.measures import NamedFigure
from stream_rec.kernels.columns import TAG, TEXT
from stream_rec.trials.assignment import mixed

MOST_IMPRESSIONS = 5_000
"""The newest that are looked at: some 50 ms at 20 places each and 200,000 items."""
NAMED = 5
"""Owners, and tags, whose share is told: those that are shown most."""
_BY = ("item", "owner", "tag")
_FORBIDDEN = str.maketrans(dict.fromkeys(',={}"\\\n', "_"))
"""In the name of a figure."""


class _Places(NamedTuple):
    """Places of the newest impressions.

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
        row: int64 [m], of the item.
        kind: int64 [m], number of a text.
        weight: float64 [m], 1 / lines of the item.
    """

    row: NDArray[np.int64]
    kind: NDArray[np.int64]
    weight: Amounts


def figures(engine: Engine) -> dict[NamedFigure, float]:
    """`exposure`, `exposure_share` and `exposure_diversity` (docs/metrics.md); nothing before anything was shown."""
    places = _places(engine)
    if not len(places.row):
        return {}
    n_items = n_rows(engine.state.items)
    shown = np.bincount(places.row, minlength=n_items).astype(np.float64)
    tags = _tags(engine, n_items)
    found: dict[NamedFigure, float] = {}
    for by, kinds in zip(_BY, (None, _owners(engine, n_items), tags), strict=True):
        amounts = shown[_may_be_shown(engine, n_items)] if kinds is None else _by_kind(shown, kinds)
        of = amounts if kinds is None else amounts[np.unique(kinds.kind)]
        if not len(of):
            continue
        told = {
            "gini": gini(of),
            "top_tenth": top_share(of),
            "coverage": float(np.count_nonzero(of) / len(of)),
        }
        found |= {_figure("exposure", by=by, figure=figure): value for figure, value in told.items()}
        if kinds is not None:
            found |= dict(_largest(engine, by, amounts))
    found[_figure("exposure", by="item", figure="places")] = float(len(places.row))
    return found | dict(_of_users(places, tags))


def _places(engine: Engine) -> _Places:
    state = engine.attribution.state
    counters, entries, ring = state.counters[0], state.exposures.entries, state.places.item
    newest, oldest = int(counters["next_exposure"]), int(counters["oldest_exposure"])
    numbers = np.arange(max(oldest, newest - MOST_IMPRESSIONS), newest)
    own = entries[numbers % len(entries)]
    lengths = own["length"].astype(np.int64)
    of_place = np.repeat(np.arange(len(own)), lengths)
    within = np.arange(len(of_place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    prints = ring[(own["first"][of_place] + within) % len(ring)]
    users, late = _halves(own["user"])
    rows = _rows_of(engine, prints)
    known = rows >= 0
    return _Places(rows[known], users[of_place][known], late[of_place][known])


def _halves(owners: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Numbers of the users of n impressions, in log order, and which are of the later half of the user's own."""
    _, users, counts = np.unique(owners, return_inverse=True, return_counts=True)
    order = np.argsort(users, kind="stable")
    starts = np.cumsum(counts) - counts
    place: NDArray[np.int64] = np.empty(len(owners), np.int64)
    place[order] = np.arange(len(owners)) - np.repeat(starts, counts)
    late = 2 * place >= counts[users]
    return np.where(owners == 0, -1, users), late


def _rows_of(engine: Engine, prints: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Rows of the items with these fingerprints (`kernels.attribution.fingerprint`); -1 = it has none any more."""
    items = engine.state.items
    taken = np.flatnonzero(items.lengths[: n_rows(items)] >= 0)
    if not len(taken):
        return np.full(len(prints), -1, np.int64)
    own = (mixed(items.hashes[taken]) >> np.uint64(32)).astype(np.uint32)
    order = np.argsort(own)
    at = np.minimum(np.searchsorted(own[order], prints), len(taken) - 1)
    found = order[at]
    return np.asarray(np.where(own[found] == prints, taken[found], -1))


def _may_be_shown(engine: Engine, n_items: int) -> NDArray[np.bool_]:
    """Of the rows: an item has it, and the item is not hidden."""
    items, hidden = engine.state.items, engine.state.hidden
    own = items.hashes[:n_items]
    return (items.lengths[:n_items] >= 0) & ~np.isin(own, hidden.hashes[: n_rows(hidden)])


def _owners(engine: Engine, n_items: int) -> _Kinds:
    owner = engine.state.columns.owner[:n_items]
    rows = np.flatnonzero(owner)
    return _Kinds(rows, owner[rows].astype(np.int64), np.ones(len(rows)))


def _tags(engine: Engine, n_items: int) -> _Kinds:
    own = engine.state.columns
    most = int(own.n_entries[:n_items].max(initial=0))
    there = np.arange(most) < own.n_entries[:n_items, None]
    there &= (own.columns[:n_items, :most] == TAG) & (own.kinds[:n_items, :most] == TEXT)
    rows, entries = np.nonzero(there)
    kinds = own.values[rows, entries]
    return _Kinds(rows, kinds, 1.0 / there.sum(axis=1)[rows])


def _by_kind(shown: Amounts, kinds: _Kinds) -> Amounts:
    """[numbers of texts]: places of the items that are so."""
    return np.bincount(kinds.kind, shown[kinds.row] * kinds.weight).astype(np.float64, copy=False)


def _largest(engine: Engine, by: str, amounts: Amounts) -> Iterator[tuple[NamedFigure, float]]:
    whole = amounts.sum()
    for kind in np.argsort(-amounts, kind="stable")[:NAMED].tolist():
        if amounts[kind]:
            name = name_of(engine.state.texts, kind - 1).translate(_FORBIDDEN)
            yield _figure("exposure_share", by=by, name=name), float(amounts[kind] / whole)


def _of_users(places: _Places, tags: _Kinds) -> Iterator[tuple[NamedFigure, float]]:
    """Mean over users of how different the tags are that each was shown: in all, earlier, and later."""
    n_tags = np.bincount(tags.row, minlength=int(places.row.max()) + 1)
    starts = np.cumsum(n_tags) - n_tags
    lines = np.repeat(np.arange(len(places.row)), n_tags[places.row])
    first = np.cumsum(n_tags[places.row]) - n_tags[places.row]
    at = starts[places.row[lines]] + np.arange(len(lines)) - first[lines]
    users, late = places.user[lines], places.late[lines]
    whose = {"all": users >= 0, "earlier": (users >= 0) & ~late, "later": (users >= 0) & late}
    both = np.intersect1d(users[whose["earlier"]], users[whose["later"]])
    for half, mask in whose.items():
        of = diversity(users[mask], tags.kind[at[mask]], tags.weight[at[mask]])
        of = of if half == "all" else of[both]
        if len(of) and not np.isnan(of).all():
            yield _figure("exposure_diversity", of=half), float(np.nanmean(of))


def _figure(metric: str, /, **labels: str) -> NamedFigure:
    return metric, tuple(labels.items())
