"""What one user has had, and what the user has said of items: for lists of a user's own items, and for reasons."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.names import name_of
from stream_rec.kernels import vocabulary
from stream_rec.kernels.codes import CODE_MASK, LAST_GENERATION, NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.columns import NO_TEXT, TAG
from stream_rec.kernels.pairs import DISLIKED, NEVER_OWNER, NEVER_TAG, OF_ITEM
from stream_rec.kernels.past import COUNT, FIRST, OLDER
from stream_rec.schemas.event_types import N_TYPES


def had_rows(state: State, user: int, types: int) -> NDArray[np.int32]:
    """Rows of the items that a user has had by events of some types, the latest such event first, each once.

    Before the ring of the last events the order is that of the latest conversion, or of the first event without one.

    Args:
        state: read only.
        user: row; below 0 = unknown.
        types: bit set, as `schemas.event_types.EventTypes.mask_of` gives it.
    """
    if user < 0:
        return np.zeros(0, np.int32)
    codes, kinds = _had(state, user)
    codes = codes[(kinds & types != 0) & (codes != NO_CODE)]
    rows = codes & ROW_MASK
    rows = rows[(codes >> 24) & LAST_GENERATION == state.generation[rows]]
    return np.array(list(dict.fromkeys(rows.tolist())), np.int32)


class Occurrence(NamedTuple):
    """An item that a user has had.

    Attributes:
        row: of the item.
        types: by events of which types, a bit set.
        is_recent: it is one of the last events, which count one by one; what was before is known item by item.
    """

    row: int
    types: int
    is_recent: bool


def occurrences(state: State, user: int) -> list[Occurrence]:
    """All that a user (a row) is known to have had and that is there still, in the order of `had_rows`."""
    codes, kinds = _had(state, user)
    n_recent = len(_of_ring(state, user)[0])
    rows = codes & ROW_MASK
    is_there = (codes != NO_CODE) & ((codes >> 24) & LAST_GENERATION == state.generation[rows])
    return [
        Occurrence(row, types, at < n_recent)
        for at, (row, types, there) in enumerate(
            zip(rows.tolist(), kinds.tolist(), is_there.tolist(), strict=True)
        )
        if there
    ]


def had_by(state: State, user: int, row: int) -> int:
    """By events of which types a user has had the item in a row, as a bit set; 0 = not at all."""
    codes, kinds = _had(state, user)
    return int(np.bitwise_or.reduce(kinds[codes == code_of(row, state.generation)], initial=0))


def said_by(state: State, user: np.uint64) -> list[int]:
    """Rows of what a user (a hash) has said, in `state.blocked`."""
    own, found = state.blocked, []
    row = int(own.heads[int(user) & (len(own.heads) - 1)]) - 1
    while row >= 0:
        if own.users[row] == user:
            found.append(row)
        row = int(own.later[row]) - 1
    return found


def blocked(state: State, user: np.uint64, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Which of the items in n rows a user (a hash) dislikes or never wants to see; bool [n]."""
    own, found = state.blocked, np.zeros(len(rows), np.bool_)
    for at in said_by(state, user):
        kind, what = int(own.kinds[at]), own.whats[at]
        if kind in (DISLIKED, *OF_ITEM):
            found |= state.items.hashes[rows] == what
        else:
            found |= with_text(state, kind, what, rows)
    return found


def with_text(
    state: State, kind: int, what: np.uint64, rows: NDArray[np.integer[Any]] | slice
) -> NDArray[np.bool_]:
    """Which of the items in n rows have a tag (NEVER_TAG) or are of an owner (NEVER_OWNER), a hash; bool [n]."""
    own, text = state.columns, int(vocabulary.find_hash(state.texts, what)) + 1
    if kind == NEVER_OWNER:
        found: NDArray[np.bool_] = (own.owner[rows] == text) & (text > 0)
        return found
    has = (own.columns[rows] == TAG) & (own.values[rows] == text)
    has &= np.arange(has.shape[1]) < own.n_entries[rows][:, None]
    return np.asarray(has.any(axis=1) & (text > 0))


def why_blocked(state: State, user: np.uint64, row: int) -> str | None:
    """Which word of a user (a hash) keeps the item in a row from that user; None = none does."""
    own, item, texts = state.blocked, int(state.items.hashes[row]), _texts_of(state, row)
    for at in said_by(state, user):
        kind, what = int(own.kinds[at]), int(own.whats[at])
        if (kind, what) == (DISLIKED, item):
            return "the user dislikes it"
        if kind in OF_ITEM and what == item:
            return "the user never wants to see it again"
        if (kind, what) in texts:
            return f"the user never wants to see what has the {texts[kind, what]}"
    return None


def _had(state: State, user: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of all that a user has had, and by which types of events as bit sets: the latest first."""
    ring, past = _of_ring(state, user), _of_past(state, user)
    return np.concatenate([ring[0], *past[0]]), np.concatenate([ring[1], *past[1]])


def _of_ring(state: State, user: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    own = state.histories
    n, length = int(own.n_events[user]), own.items.shape[1]
    slots = np.arange(n - 1, max(-1, n - 1 - length), -1) & (length - 1)
    codes = (own.items[user, slots] & CODE_MASK).astype(np.int64)
    return codes, 1 << (own.types[user, slots] & (N_TYPES - 1)).astype(np.int64)


def _of_past(state: State, user: int) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """What was had before the ring, page by page."""
    own, page = state.past, int(state.past.heads[user]) - 1
    codes, kinds = [], []
    while page >= 0:
        n = int(own.pages[page, COUNT])
        codes.append(own.pages[page, FIRST : FIRST + n][::-1].astype(np.int64))
        kinds.append(own.types[page, :n][::-1].astype(np.int64))
        page = int(own.pages[page, OLDER]) - 1
    return codes, kinds


def _texts_of(state: State, row: int) -> dict[tuple[int, int], str]:
    """The item's tags and its owner, by what blocks them."""
    own, found = state.columns, {}
    numbers = [
        (NEVER_TAG, "tag", int(own.values[row, at]))
        for at in range(int(own.n_entries[row]))
        if own.columns[row, at] == TAG
    ]
    for kind, name, number in (*numbers, (NEVER_OWNER, "owner", int(own.owner[row]))):
        if number != NO_TEXT:
            text = name_of(state.texts, number - 1)
            found[kind, int(state.texts.hashes[number - 1])] = f"{name} {text!r}"
    return found
