"""Arrays as older releases wrote them into snapshots, under their present names and forms.

A name that an array no longer has is listed here for as long as snapshots with it are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.learning.event_clock import SETTLED_EVENTS
from stream_rec.engine.state import layout
from stream_rec.feedback.attribution import FORM
from stream_rec.kernels import hidden, past
from stream_rec.kernels.attribution_state import COUNTERS as ATTRIBUTION_COUNTERS
from stream_rec.kernels.attribution_state import EXPOSURE, INTERACTION, N_SUMS
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.ownership import Owner
from stream_rec.kernels.shown import TOTALS
from stream_rec.kernels.slots import PER_SPACE
from stream_rec.kernels.trial_state import NO_TRIAL, TRIAL_USER
from stream_rec.kernels.vocabulary import COUNTERS as VOCABULARY_COUNTERS
from stream_rec.kernels.vocabulary import VocabularyState
from stream_rec.kernels.vocabulary import empty as empty_vocabulary
from stream_rec.schemas.event_types import N_TYPES
from stream_rec.sources.features import N_FEATURES, number_of
from stream_rec.sources.popularity import N_LISTED
from stream_rec.telemetry.labels import MAX_NAMES, NameKind, scenario_of, variant_of

_RECORDS: Mapping[str, tuple[str, np.dtype[Any]]] = {
    "state.users.scalars": ("state.users.counters", VOCABULARY_COUNTERS),
    "state.items.scalars": ("state.items.counters", VOCABULARY_COUNTERS),
    "attribution.marks": ("attribution.counters", ATTRIBUTION_COUNTERS),
    "attribution.items.marks": ("attribution.items.totals", TOTALS),
}
"""Integers by place that have names now, in the same order; spare ones stood behind them."""
_FORMER_FEATURES = number_of("hop")
"""Of the table, before 2026-11-29."""
_FORMER_COUNTERS = 5
"""Of attribution, of forms 1 and 2."""
_OF_ROWS = ("arena", "lengths", "starts", "hashes")
_RENAMED = {"attribution.cells.marks": "attribution.cells.next_number"}


_OLD_RECORDS: Mapping[str, tuple[np.dtype[Any], tuple[str, ...]]] = {
    "attribution.exposures.entries": (EXPOSURE, ("slate", "trial")),
    "attribution.interactions.entries": (INTERACTION, ("slate",)),
}
"""Records of rings, and the fields that those of form 1 do not have."""


def _of_form_1(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Bytes of records with the fields they lack: of no slate, of no arm."""
    return _widened(array, *_OLD_RECORDS[name])


def _widened(array: NDArray[Any], record: np.dtype[Any], missing: tuple[str, ...]) -> NDArray[Any]:
    fields = [field for field in record.names or () if field not in missing]
    old = np.dtype([(field, record[field]) for field in fields])
    if array.dtype != np.uint8 or array.ndim != 1 or len(array) % old.itemsize:
        return array  # `Attribution.check` says that it does not fit
    given = array.view(old)
    found = np.zeros(len(given), record)
    for field in fields:
        found[field] = given[field]
    if "trial" in missing:
        found["trial"] = NO_TRIAL
    return found.view(np.uint8)


def _of_form_2(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Attribution and experiments before refunds found their purchases: what any past lacks is taken for lost.

    Args:
        given: by their present names.
    """
    found = {}
    counters = given.get("attribution.counters")
    entries = given.get("attribution.interactions.entries")
    if counters is not None and entries is not None and len(entries) % INTERACTION.itemsize == 0:
        latest = entries.view(INTERACTION)["ts"].max(initial=0.0)
        found["attribution.counters"] = np.append(counters[:_FORMER_COUNTERS], np.int64(latest * 1000))
        found["attribution.form"] = np.array([FORM], np.int64)
    if "trials.users" in given:
        found["trials.users"] = _widened(given["trials.users"], TRIAL_USER, ("past",))
        found["trials.purchases"] = np.zeros(0, np.uint8)
        found["trials.refunds_left_out"] = np.zeros(1, np.int64)
    return found


def renamed(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of a snapshot by their present names; those of this release are left as they are."""
    named: dict[str, NDArray[Any]] = {}
    is_form_1 = "attribution.form" not in given
    if "attribution.labels" in given and "attribution.labels_used" not in given:
        named["attribution.labels_used"] = _labels_used(given)
    if "state.factors.tags" in given and "state.in_catalogue" not in given:
        named["state.in_catalogue"] = np.any(
            given["state.factors.tags"], axis=1
        )  # only the catalogue gives tags
    for name, array in given.items():
        if name in _RECORDS:
            present, record = _RECORDS[name]
            named[present] = array[: len(record.names or ())]
        elif name.startswith("repeats."):
            partition, _, field = name.removeprefix("repeats.").partition(".")
            named[f"deduplication.{partition}.{'n_taken' if field == 'marks' else field}"] = array
        elif is_form_1 and name in _OLD_RECORDS:
            named[name] = _of_form_1(name, array)
        elif name == "attribution.cells.sums" and array.shape[-1] < N_SUMS:
            named[name] = np.pad(array, ((0, 0), (0, N_SUMS - array.shape[-1])))
        else:
            named[_RENAMED.get(name, name)] = array
    if is_form_1 or given["attribution.form"][0] < FORM:
        named |= _of_form_2(named)
    if "clock.times" not in named and "state.clock" in named:
        named |= _clock(float(named["state.clock"][0]))
    return named


def _clock(latest: float) -> dict[str, NDArray[Any]]:
    """A clock that goes on from the latest event time; before the first event it is empty."""
    times, counts = np.array([latest, 0.0]), np.zeros(5, np.int64)
    counts[2] = SETTLED_EVENTS if latest else 0
    return {"clock.times": times, "clock.counts": counts}


def _labels_used(given: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """The latest window in which each name was used, from the cells that are left."""
    used = np.zeros((len(NameKind), MAX_NAMES), np.int64)
    label, window = given.get("attribution.cells.label"), given.get("attribution.cells.window")
    if label is not None and window is not None and label.shape == window.shape:
        np.maximum.at(used[NameKind.SCENARIO], scenario_of(label) % MAX_NAMES, window)
        np.maximum.at(used[NameKind.VARIANT], variant_of(label), window)
    return used


def completed(state: State, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The state's arrays of a snapshot, with those that it was written without.

    Args:
        state: empty, of the present bounds.
        given: by their present names, without the part's.
    """
    arrays = dict(given)
    if "popularity.reach" not in arrays and "popularity.scores" in arrays:
        arrays["popularity.reach"] = arrays["popularity.scores"][:N_LISTED].copy()
    if "hidden.counters" not in arrays and _has_rows(arrays, "items", "popularity.eligible", "clock"):
        were_hidden = ~arrays["popularity.eligible"][: len(arrays["items.lengths"])]
        arrays |= _hidden_anew(state.hidden, arrays, "items", were_hidden, arrays["clock"][0])
    elif _has_rows(arrays, "hidden", "hidden.slots", "hidden.seen"):
        slots, n = len(arrays["hidden.slots"]), len(arrays["hidden.hashes"])
        if slots != len(state.hidden.slots) or n > len(state.hidden.hashes):
            arrays |= _hidden_anew(state.hidden, arrays, "hidden", True, arrays["hidden.seen"])
    arrays = _with_past(_with_pauses(_with_types(_with_features(state, arrays))))
    return _with_ratings(state, _with_spaces(state, _with_columns(state, arrays)))


def _with_features(state: State, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The ranker begins with the features that came later, before those of vector spaces, as an empty one does."""
    for path, array in layout.leaves(state):
        narrow = given.get(path)
        if narrow is None or not path.startswith("ranker.") or array.shape[-1] < N_FEATURES:
            continue
        of_spaces = narrow.shape[-1] - _FORMER_FEATURES
        if of_spaces in (0, array.shape[-1] - N_FEATURES):
            added = array[..., _FORMER_FEATURES:N_FEATURES]
            parts = [narrow[..., :_FORMER_FEATURES], added, narrow[..., _FORMER_FEATURES:]]
            given[path] = np.concatenate(parts, axis=-1)
    return given


def _with_spaces(state: State, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """No vector spaces where the snapshot holds none, and the ranker begins with their features."""
    if "spaces.dimensions" in given or "items.lengths" not in given:
        return given
    n_items = len(given["items.lengths"])
    for path, array in layout.leaves(state):
        part = path.partition(".")[0]
        if part == "spaces":
            owner = layout.grows_with(path)
            empty = array[:n_items] if owner is Owner.ITEM_ROW else array
            given[path] = (array[:0, :n_items] if owner is Owner.ITEM_IN_SLOT else empty).copy()
        elif part == "ranker" and path in given:
            narrow = given[path]
            if array.shape[-1] == narrow.shape[-1] + PER_SPACE * len(state.spaces.dimensions):
                given[path] = np.concatenate([narrow, array[..., narrow.shape[-1] :]], axis=-1)
    return given


def _with_columns(state: State, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Nothing is known of the items where the snapshot holds neither columns nor windows."""
    if "columns.version" in given or "items.lengths" not in given:
        return given
    rows = {Owner.ITEM_ROW: len(given["items.lengths"]), Owner.TEXT_ROW: 0, Owner.WINDOW_ROW: 0}
    for path, array in layout.leaves(state):
        if path.partition(".")[0] in ("columns", "texts", "windows", "windowed") and path not in given:
            n = 0 if path.endswith(".arena") else len(array)
            given[path] = array[
                : n if layout.is_layout(path) else rows.get(layout.grows_with(path), n)
            ].copy()
    given["columns.changed"][:] = given["columns.version"][0] = 1
    return given


def _with_ratings(state: State, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """No ratings where the snapshot holds none, or where no type of event is one any more."""
    held, wanted = given.get("ratings.users"), state.ratings
    if held is not None and held.shape[1:] == wanted.users.shape[1:]:
        return given
    for name, empty in (("users", wanted.users), ("items", wanted.items)):
        if f"{name}.lengths" in given:
            given[f"ratings.{name}"] = empty[: len(given[f"{name}.lengths"])].copy()
    return given | {"ratings.scale": wanted.scale.copy()}


def _with_types(given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Nothing is known of the types of events where the snapshot does not say."""
    if "remembered" in given or "histories.items" not in given:
        return given
    none = np.zeros(N_TYPES, np.uint64)
    return given | {"histories.types": np.zeros(given["histories.items"].shape, np.uint8), "remembered": none}


def _with_pauses(given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """All of a user's events are as of the last one, where the snapshot does not say when they came."""
    if "histories.pauses" in given or "histories.items" not in given:
        return given
    return given | {"histories.pauses": np.zeros(given["histories.items"].shape, np.uint8)}


def _with_past(given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Nobody has had anything before the histories, where the snapshot does not say so; of what types, likewise."""
    if "past.pages" in given and "past.types" not in given:
        of_any = np.ones((len(given["past.pages"]), past.PAGE_ITEMS), np.uint16)
        return given | {"past.types": of_any}
    if "past.counters" in given or "histories.n_events" not in given:
        return given
    n_users = len(given["histories.n_events"])
    nobody = past.empty(Bounds(users=n_users))
    none: dict[str, NDArray[Any]] = {"past.pages": nobody.pages[:0], "past.types": nobody.types[:0]}
    none |= {"past.heads": nobody.heads, "past.counters": nobody.counters.view(np.int64)}
    return given | none


def _has_rows(arrays: Mapping[str, NDArray[Any]], vocabulary: str, *others: str) -> bool:
    """What is missing is said by `layout.check`."""
    return {*others, *(f"{vocabulary}.{name}" for name in _OF_ROWS)} <= arrays.keys()


def _hidden_anew(
    empty: VocabularyState,
    given: Mapping[str, NDArray[Any]],
    vocabulary: str,
    which: NDArray[np.bool_] | bool,
    since: NDArray[np.float64] | np.float64,
) -> dict[str, NDArray[Any]]:
    """A table of hidden ids of this size, from rows of a vocabulary; what exceeds it is forgotten, the oldest first."""
    ids, lengths, starts, hashes = (given[f"{vocabulary}.{name}"] for name in _OF_ROWS)
    since = np.broadcast_to(since, len(lengths))
    rows = np.flatnonzero((lengths > 0) & which)
    rows = rows[np.argsort(since[rows], kind="stable")][-len(empty.hashes) :]
    made = empty_vocabulary(len(empty.hashes), int(lengths[rows].sum()))
    for row in rows.tolist():
        data = ids[starts[row] : starts[row] + lengths[row]]
        hidden.hide(made, data, 0, len(data), hashes[row], since[row])
    n = int(made.counters["n_rows"][0])
    named = made._asdict()
    named |= {name: named[name][:n] for name in ("hashes", "starts", "lengths", "seen")}
    named["counters"] = made.counters.view(np.int64)
    return {f"hidden.{name}": array for name, array in named.items()}
