"""Everything that was learned, as arrays: what digests hash, and snapshots keep and give back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State, StateCore
from stream_rec.engine.names import n_rows
from stream_rec.errors import ConfigError
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.columns import ColumnState
from stream_rec.kernels.histories import HistoryState
from stream_rec.kernels.ownership import Owner, owners
from stream_rec.kernels.pairs import COUNTERS as PAIR_COUNTERS
from stream_rec.kernels.pairs import PairState
from stream_rec.kernels.past import PastState
from stream_rec.kernels.vocabulary import COUNTERS, VocabularyState
from stream_rec.kernels.windows import WindowState
from stream_rec.sources import registry

Arrays = dict[str, NDArray[Any]]

LAYOUT = {"slots", "arena", "counters"}
"""Arrays of a vocabulary that do not have a row per id."""
_CHAINS = {"heads", "later"}
"""Arrays of a table of pairs that say where entries are found: made anew from these, they are in no snapshot."""
PAIRS = {"blocked": "blocked", "undoable": "undoable"}
VOCABULARIES = {"users": "user", "items": "item", "hidden": "hidden", "windowed": "window", "texts": "text"}
"""By what owns their rows."""
_ROWS = {
    Owner.USER_ROW: "user",
    Owner.ITEM_ROW: "item",
    Owner.HIDDEN_ROW: "hidden",
    Owner.TEXT_ROW: "text",
    Owner.WINDOW_ROW: "window",
    Owner.BLOCKED_ROW: "blocked",
    Owner.UNDOABLE_ROW: "undoable",
}
_TABLES = VOCABULARIES | PAIRS

_PAGES = {"past.pages", "past.types"}
"""Cut to those that were ever taken; `past.counters` begins with their number."""


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Every array of a nested tuple with its path, in order; records of named fields as plain numbers.

    All of it is the memory itself.
    """
    for name, value in zip(node._fields, node, strict=True):
        here = f"{path}.{name}" if path else name
        if isinstance(value, np.ndarray):
            yield here, value.view(value.dtype[0]) if value.dtype.names else value
        elif isinstance(value, tuple):
            yield from leaves(value, here)


@cache
def _owners() -> dict[str, Owner]:
    """Owner of every array by its path, as the parts of the state declare it."""
    found = dict(owners(StateCore))
    for name in VOCABULARIES:
        found |= {f"{name}.{array}": found[name] for array in VocabularyState._fields}
    found |= {f"histories.{array}": found["histories"] for array in HistoryState._fields}
    for name, part in (("columns", ColumnState), ("windows", WindowState), ("past", PastState)):
        found |= {f"{name}.{array}": owner for array, owner in owners(part).items()}
    for name in PAIRS:
        rows = {array: found[name] for array in PairState._fields if array not in ("heads", "counters")}
        found |= {f"{name}.{array}": owner for array, owner in rows.items()}
    for name, of_source in registry.parts("empty", Bounds()).items():
        found |= {f"{name}.{array}": owner for array, owner in owners(type(of_source)).items()}
    return found


def is_layout(path: str) -> bool:
    """Does the array say where ids lie in memory, not what they are?"""
    owner, _, name = path.partition(".")
    return owner in VOCABULARIES and name in LAYOUT


def learned(state: State) -> Arrays:
    """Every array of the state by its path, cut to what was ever taken: the memory itself, not copies.

    What is cut off is as `create.empty_state` made it, so the cost goes with what is known, not with the bounds.
    """
    taken = {owner: n_rows(getattr(state, name)) for name, owner in _TABLES.items()}
    ends = {f"{name}.arena": int(getattr(state, name).counters["arena_end"][0]) for name in VOCABULARIES}
    ends |= dict.fromkeys(_PAGES, int(state.past.counters["n_pages"][0]))
    n_slots = _slots_in_use(state.spaces.dimensions)
    arrays = {}
    for path, array in leaves(state):
        if grows_with(path) is Owner.ITEM_IN_SLOT:
            arrays[path] = array[:n_slots, : taken["item"]]
            continue
        table, _, field = path.partition(".")
        if table in PAIRS and field in _CHAINS:
            continue
        owner = owner_of(path)
        n = ends.get(path, taken[owner] if owner else len(array))
        arrays[path] = array[:n]
    return arrays


def _slots_in_use(dimensions: NDArray[np.int32]) -> int:
    return int(np.flatnonzero(dimensions)[-1]) + 1 if dimensions.any() else 0


def owner_of(path: str) -> str:
    """Whom the array has a row for, as `VOCABULARIES` and `PAIRS` name them; empty = nobody."""
    if is_layout(path):
        return ""
    return _ROWS.get(grows_with(path), "")


def grows_with(path: str) -> Owner:
    """Whose bound gives the array its size."""
    return _owners().get(path, Owner.NOBODY)


def check(state: State, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Can `arrays`, as `learned` gave them, be put into this empty state?

    Raises:
        ConfigError: one is missing, or has a form that the bounds of the state do not allow.
    """
    for path, mine in leaves(state):
        given = arrays.get(path)
        if given is None or given.dtype != mine.dtype or given.ndim != mine.ndim:
            raise _misfit(path, given, mine)
        if grows_with(path) is Owner.ITEM_IN_SLOT:
            _check_slots(path, arrays, mine)
            continue
        wanted = _length(path, arrays, mine)
        if given.shape[1:] != mine.shape[1:] or len(given) != wanted or len(given) > _room(path, mine):
            raise _misfit(path, given, mine)


def _check_slots(path: str, arrays: Mapping[str, NDArray[Any]], mine: NDArray[Any]) -> None:
    given, dimensions = arrays[path], arrays.get(f"{path.partition('.')[0]}.dimensions")
    n_slots = -1 if dimensions is None else _slots_in_use(dimensions)
    wanted = (n_slots, _counted(arrays, "items", "n_rows"), mine.shape[2])
    if given.shape != wanted or given.shape[0] > mine.shape[0] or given.shape[1] > mine.shape[1]:
        raise _misfit(path, given, mine)


def fill(state: State, arrays: Mapping[str, NDArray[Any]]) -> State:
    """The state that `arrays` came from, in the memory of an empty one; they fit (`check`) and are not kept."""
    for path, mine in leaves(state):
        if grows_with(path) is Owner.ITEM_IN_SLOT:
            n_slots, n_items, _ = arrays[path].shape
            mine[:n_slots, :n_items] = arrays[path]
        elif not path.endswith(".arena"):
            mine[: len(arrays[path])] = arrays[path]
    with_ids: dict[str, Any] = {
        name: _with_arena(getattr(state, name), arrays[f"{name}.arena"]) for name in VOCABULARIES
    }
    return state._replace(**with_ids)


def _with_arena(v: VocabularyState, ids: NDArray[np.uint8]) -> VocabularyState:
    arena = np.zeros(max(len(ids), len(v.arena)), np.uint8)
    arena[: len(ids)] = ids
    return v._replace(arena=arena)


def _length(path: str, arrays: Mapping[str, NDArray[Any]], mine: NDArray[Any]) -> int:
    owner = owner_of(path)
    name, _, field = path.partition(".")
    if owner:
        table = next(name for name, of_rows in _TABLES.items() if of_rows == owner)
        return _counted(arrays, table, "n_rows")
    if name in VOCABULARIES and field == "arena":
        return _counted(arrays, name, "arena_end")
    if path in _PAGES and (given := arrays.get("past.counters")) is not None and len(given):
        return int(given[0])
    return len(mine)


def _counted(arrays: Mapping[str, NDArray[Any]], table: str, counter: str) -> int:
    """A counter of a vocabulary or of a table of pairs among given arrays; -1 = it is not there."""
    given, counters = arrays.get(f"{table}.counters"), PAIR_COUNTERS if table in PAIRS else COUNTERS
    if given is None or given.dtype != np.int64 or given.shape != (len(counters.names or ()),):
        return -1
    return int(given.view(counters)[counter][0])


def _room(path: str, mine: NDArray[Any]) -> int:
    """Rows that there may be; the bytes of ids have no bound of their own."""
    return np.iinfo(np.int64).max if path.endswith(".arena") else len(mine)


def _misfit(path: str, given: NDArray[Any] | None, mine: NDArray[Any]) -> ConfigError:
    form = "nothing" if given is None else f"{given.dtype}{list(given.shape)}"
    return ConfigError(
        f"state {path!r} does not fit: {form} where the bounds give {mine.dtype}{list(mine.shape)}",
        fix="start with the engine settings the snapshot was made with, or without it",
    )
