"""What was learned within other bounds, made to fit into these: larger tables, or smaller ones that it does not fill.

Rows keep their numbers, so what refers to a row is left as it is. What is made anew here is what a bound gives its size
and is a function of the rest: hash tables, lists of the heaviest items, rings of event ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.state import layout
from stream_rec.kernels import histories, pairs
from stream_rec.kernels.ownership import Owner
from stream_rec.kernels.shown import TOTALS, WAYS, ItemCounts
from stream_rec.schemas.event_types import N_TYPES
from stream_rec.sources import popularity
from stream_rec.trials.assignment import mixed

_TOP, _SCORES, _ELIGIBLE = "popularity.top", "popularity.scores", "popularity.eligible"


def state(empty: State, given: Mapping[str, NDArray[Any]]) -> layout.Arrays:
    """Arrays of a state, by path, in the forms that this empty state has; those that cannot be fitted as they are.

    `layout.check` says afterwards whether they fit: rows that were taken may be more than there are now.
    """
    mine = dict(layout.leaves(empty))
    fitted = dict(given)
    for table in layout.PAIRS:
        fitted |= _pairs(table, mine, given)
    fitted |= _renumbered(mine["remembered"], fitted)
    for path in mine.keys() & given.keys():
        if layout.grows_with(path) is Owner.ITEM_COLUMN and _differ(given[path], mine[path]):
            fitted[path] = _overlaid(given[path], mine[path])
    for vocabulary in ("users", "items", "windowed", "texts"):
        slots = f"{vocabulary}.slots"
        if slots in given and _differ(given[slots], mine[slots]):
            lengths, hashes = (given.get(f"{vocabulary}.{name}") for name in ("lengths", "hashes"))
            if lengths is not None and hashes is not None and len(lengths) < len(mine[slots]):
                fitted[slots] = _slots(hashes, lengths, len(mine[slots]))
    if _TOP in given and _differ(given[_TOP], mine[_TOP]) and {_SCORES, _ELIGIBLE} <= fitted.keys():
        lists = popularity.heaviest(fitted[_SCORES], fitted[_ELIGIBLE], mine[_TOP].shape[1])
        fitted |= {f"popularity.{name}": array for name, array in lists.items()}
    return fitted


def _pairs(table: str, mine: layout.Arrays, given: Mapping[str, NDArray[Any]]) -> layout.Arrays:
    """A table of pairs with its chains; empty if the release that wrote the arrays did not have it."""
    of_fields = {
        path.removeprefix(f"{table}."): array for path, array in given.items() if path.startswith(f"{table}.")
    }
    if of_fields and of_fields.keys() != {*pairs.PairState._fields} - {"heads", "later"}:
        return {}  # `layout.check` says what is missing
    fitted = pairs.fitted(len(mine[f"{table}.numbers"]), of_fields)
    return {f"{table}.{field}": array for field, array in fitted.items()}


def _renumbered(mine: NDArray[np.uint64], given: Mapping[str, NDArray[Any]]) -> layout.Arrays:
    """Histories by the numbers that event types have here; a type that has none any more becomes any type."""
    of_them, kinds, sets = (given.get(name) for name in ("remembered", "histories.types", "past.types"))
    if of_them is None or kinds is None or sets is None or np.array_equal(of_them, mine):
        return {}
    places = {h: number for number, h in enumerate(mine.tolist()) if h}
    numbers = np.array([places.get(h, 0) for h in of_them.tolist()], np.uint8)
    renumbered = numbers[kinds & (N_TYPES - 1)] | (kinds & histories.WEIGHTLESS)
    moved = np.zeros_like(sets)
    for bit, number in enumerate(numbers.tolist()):
        moved |= (sets >> np.uint16(bit) & np.uint16(1)) << np.uint16(number)
    return {"remembered": mine, "histories.types": renumbered, "past.types": moved}


def _differ(given: NDArray[Any], mine: NDArray[Any]) -> bool:
    return given.shape != mine.shape and given.ndim == mine.ndim and given.dtype == mine.dtype


def _overlaid(given: NDArray[Any], mine: NDArray[Any]) -> NDArray[Any]:
    """An empty array with what was learned in its place; what there is no place for belongs to rows never taken."""
    common = tuple(slice(min(a, b)) for a, b in zip(given.shape, mine.shape, strict=True))
    fitted = mine.copy()
    fitted[common] = given[common]
    return fitted


def _slots(hashes: NDArray[np.uint64], lengths: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    """A table of n slots with linear probing (see kernels.vocabulary): all ids look for a place at once.

    Whoever finds his slot taken goes to the next one, so no slot between an id's own and its place is ever empty.
    """
    slots = np.zeros(n, np.int32)
    rows = np.flatnonzero(lengths >= 0).astype(np.int32)
    at = (hashes[rows] & np.uint64(n - 1)).astype(np.int64)
    while len(rows):
        free = slots[at] == 0
        _, first = np.unique(at[free], return_index=True)
        placed = np.flatnonzero(free)[first]
        slots[at[placed]] = rows[placed] + 1
        left = np.ones(len(rows), np.bool_)
        left[placed] = False
        rows, at = rows[left], (at[left] + 1) & (n - 1)
    return slots


def event_ids(given: Mapping[str, NDArray[Any]], window: int, partitions: int) -> layout.Arrays:
    """Windows of event ids, by `PARTITION.FIELD`, within these bounds: the latest ids that there is room for."""
    fitted: dict[str, NDArray[Any]] = {}
    for name, array in given.items():
        partition, _, field = name.partition(".")
        n_taken = given.get(f"{partition}.n_taken")
        if field != "hashes" or n_taken is None or int(partition) >= partitions or not window:
            continue
        kept = _oldest_first(array, int(n_taken[0]), window)
        fitted[name] = kept
        fitted[f"{partition}.n_taken"] = n_taken if kept is array else np.array([len(kept)], np.int64)
    return fitted


def item_counts(given: Mapping[str, NDArray[Any]], sets: int) -> layout.Arrays:
    """The join of impressions with its counts of items in so many sets; of a set that overflows, the latest touched.

    They are left as they are where one is missing: `Attribution.check` says which.
    """
    names = tuple(f"items.{field}" for field in ItemCounts._fields)
    if not given.keys() >= {*names} or given[names[0]].shape == (sets, WAYS):
        return dict(given)
    *columns, totals = (given[name] for name in names)
    rows, ways = np.nonzero(columns[1])
    item, uses, touched = (column[rows, ways] for column in columns)
    home = (mixed(item) & np.uint64(sets - 1)).astype(np.int64)
    latest = np.lexsort((-touched, home))
    kept = latest[_place_in_group(home[latest]) < WAYS]
    # Within a set in the order in which they came to stand there: that of the ways, of the old set.
    kept = kept[np.lexsort((rows[kept], ways[kept], home[kept]))]
    at = home[kept], _place_in_group(home[kept])
    moved = [np.zeros((sets, WAYS), column.dtype) for column in columns]
    for column, array in zip((item, uses, touched), moved, strict=True):
        array[at] = column[kept]
    counted = totals.view(TOTALS) if totals.dtype.names is None else totals
    counted = counted.copy()
    counted["kept_uses"], counted["kept_items"] = uses[kept].sum(), len(kept)
    return {**given, **dict(zip(names, (*moved, counted.view(totals.dtype)), strict=True))}


def _place_in_group(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of ascending keys: which of its equals each is, from 0."""
    return np.arange(len(keys)) - np.searchsorted(keys, keys)


def _oldest_first(ring: NDArray[np.uint64], n_taken: int, window: int) -> NDArray[np.uint64]:
    if len(ring) == min(n_taken, window):
        return ring
    ordered = np.roll(ring, -(n_taken % len(ring))) if len(ring) and n_taken > len(ring) else ring
    return ordered[-window:]
