"""What the catalogue says of items, as columns by item row; texts are interned: each is held once, under a number.

A text's number is 1 + its row in a vocabulary of texts; 0 = none. Rows of texts that no item uses any more are given
away again, the one freed last first. When there is no room for a text, what it says is left out, and counted.

An item's tags and its values of the shop's own attributes are entries, in the order given: (column, kind, value). A
list is an entry for each of its values. An attribute's name has a column for as long as an item has such an entry.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import vocabulary
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.compile import kernel_inner
from stream_rec.kernels.ownership import Owner, PerItem

MAX_ENTRIES = 64
"""Tags and values of an item, at most."""
MAX_COLUMNS = 32
"""Names of attributes in use at one time, at most."""
TAG, NO_COLUMN = -1, -2
"""The column of tags; none."""
TEXT, NUMBER, FLAG, TEXT_IN_LIST, NUMBER_IN_LIST, EMPTY_LIST = 1, 2, 3, 4, 5, 6
"""Kinds of entries."""
NO_TEXT = 0


class ColumnState(NamedTuple):
    """The columns.

    Attributes:
        title: int32 [items], number of the text.
        owner: int32 [items], the same.
        price: float64 [items], NaN = not given; so the next two.
        opens: float64 [items], from when the item may be shown, seconds since the epoch.
        closes: float64 [items], from when no more.
        n_entries: uint8 [items].
        columns: int8 [items, MAX_ENTRIES], TAG or the number of an attribute.
        kinds: uint8 [items, MAX_ENTRIES].
        values: int64 [items, MAX_ENTRIES], a text's number, or the bits of a float64.
        changed: int64 [items], the version in which the row changed last.
        version: int64 [1], changes of rows so far.
        names: int32 [MAX_COLUMNS], of attributes, numbers of texts.
        n_using: int64 [MAX_COLUMNS], entries of the column.
        uses: int32 [texts], places in which the text stands.
        next_free: int32 [texts], number of the text freed before it.
        free: int32 [1], number of the text freed last.
        n_left_out: int64 [1], texts and entries that there was no room for, ever.
    """

    title: PerItem[np.int32]
    owner: PerItem[np.int32]
    price: PerItem[np.float64]
    opens: PerItem[np.float64]
    closes: PerItem[np.float64]
    n_entries: PerItem[np.uint8]
    columns: PerItem[np.int8]
    kinds: PerItem[np.uint8]
    values: PerItem[np.int64]
    changed: PerItem[np.int64]
    version: NDArray[np.int64]
    names: NDArray[np.int32]
    n_using: NDArray[np.int64]
    uses: Annotated[NDArray[np.int32], Owner.TEXT_ROW]
    next_free: Annotated[NDArray[np.int32], Owner.TEXT_ROW]
    free: NDArray[np.int32]
    n_left_out: NDArray[np.int64]


class Described(NamedTuple):
    """What a record says of an item; texts are places in `data`, -1 = none.

    Attributes:
        data: uint8, all texts, end to end.
        ends: int64 [t], of the texts.
        hashes: uint64 [t].
        title, owner: places of texts.
        price, opens, closes: as in ColumnState.
        names: int32 [m], place of the attribute's name, -1 = a tag.
        kinds: uint8 [m].
        texts: int32 [m], place of the value, where it is a text.
        bits: int64 [m], of the value, where it is a number.
        held: int32 [t], working memory.
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    title: int
    owner: int
    price: float
    opens: float
    closes: float
    names: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    texts: NDArray[np.int32]
    bits: NDArray[np.int64]
    held: NDArray[np.int32]


def empty(bounds: Bounds) -> ColumnState:
    """Nothing is known of any item."""
    n = bounds.items
    return ColumnState(
        title=np.zeros(n, np.int32),
        owner=np.zeros(n, np.int32),
        price=np.full(n, np.nan),
        opens=np.full(n, np.nan),
        closes=np.full(n, np.nan),
        n_entries=np.zeros(n, np.uint8),
        columns=np.zeros((n, MAX_ENTRIES), np.int8),
        kinds=np.zeros((n, MAX_ENTRIES), np.uint8),
        values=np.zeros((n, MAX_ENTRIES), np.int64),
        changed=np.zeros(n, np.int64),
        version=np.zeros(1, np.int64),
        names=np.zeros(MAX_COLUMNS, np.int32),
        n_using=np.zeros(MAX_COLUMNS, np.int64),
        uses=np.zeros(bounds.texts, np.int32),
        next_free=np.zeros(bounds.texts, np.int32),
        free=np.zeros(1, np.int32),
        n_left_out=np.zeros(1, np.int64),
    )


@kernel_inner
def intern(own, texts, data, start, end, text_hash):
    """Number of the text data[start:end], which is used once more; NO_TEXT if there is no room. The arena has room."""
    row = vocabulary.find(texts, data, start, end, text_hash)
    if row < 0:
        row = own.free[0] - 1
        if row >= 0:
            own.free[0] = own.next_free[row]
            own.next_free[row] = NO_TEXT
        else:
            row = texts.counters[0].n_rows
            if row == texts.hashes.shape[0]:
                return NO_TEXT
        vocabulary.insert(texts, data, start, end, text_hash, row)
        texts.seen[row] = 0.0
    own.uses[row] += 1
    return row + 1


@kernel_inner
def release(own, texts, number):
    """One place less that holds the text."""
    if number == NO_TEXT:
        return
    row = number - 1
    own.uses[row] -= 1
    if own.uses[row] == 0:
        vocabulary.unlink(texts, row)
        texts.starts[row] = 0
        own.next_free[row] = own.free[0]
        own.free[0] = number


@kernel_inner
def touch(own, row):
    """What is known of the row has changed."""
    own.version[0] += 1
    own.changed[row] = own.version[0]


@kernel_inner
def clear(own, texts, row):
    """Forget what is known of the row."""
    release(own, texts, own.title[row])
    release(own, texts, own.owner[row])
    for at in range(own.n_entries[row]):
        _drop_entry(own, texts, row, at)
    own.title[row] = NO_TEXT
    own.owner[row] = NO_TEXT
    own.price[row] = np.nan
    own.opens[row] = np.nan
    own.closes[row] = np.nan
    own.n_entries[row] = 0
    touch(own, row)


@kernel_inner
def _drop_entry(own, texts, row, at):
    kind, column = own.kinds[row, at], np.int64(own.columns[row, at])
    if kind in (TEXT, TEXT_IN_LIST):
        release(own, texts, np.int32(own.values[row, at]))
    if column >= 0:
        own.n_using[column] -= 1
        if own.n_using[column] == 0:
            release(own, texts, own.names[column])
            own.names[column] = NO_TEXT
    own.columns[row, at] = 0
    own.kinds[row, at] = 0
    own.values[row, at] = 0


@kernel_inner
def describe(own, texts, row, given):
    """The row holds what a record says, and nothing else. Texts that stay keep their numbers.

    Args:
        own: changed in place.
        texts: changed in place.
        row: of the item.
        given: Described; the arena has room for all of its texts.
    """
    n = given.ends.shape[0]
    for place in range(n):  # before the old ones are released, so that a text that stays is not freed
        given.held[place] = _intern(own, texts, given, place)
    clear(own, texts, row)
    for place in range(n):
        if given.held[place] == NO_TEXT:
            given.held[place] = _intern(own, texts, given, place)
            own.n_left_out[0] += given.held[place] == NO_TEXT
    own.title[row] = _use(own, given, given.title)
    own.owner[row] = _use(own, given, given.owner)
    own.price[row] = given.price
    own.opens[row] = given.opens
    own.closes[row] = given.closes
    for i in range(given.names.shape[0]):
        _add_entry(own, row, given, i)
    for place in range(n):
        release(own, texts, given.held[place])


@kernel_inner
def _intern(own, texts, given, place):
    start = given.ends[place - 1] if place > 0 else np.int64(0)
    return np.int32(intern(own, texts, given.data, start, given.ends[place], given.hashes[place]))


@kernel_inner
def _use(own, given, place):
    """Number of a text that is held, for one more place."""
    number = given.held[place] if place >= 0 else np.int32(NO_TEXT)
    if number != NO_TEXT:
        own.uses[number - 1] += 1
    return number


@kernel_inner
def _add_entry(own, row, given, i):
    at, kind = np.int64(own.n_entries[row]), given.kinds[i]
    column = np.int64(TAG) if given.names[i] < 0 else _column(own, given, given.names[i])
    is_text = kind in (TEXT, TEXT_IN_LIST)
    has_room = column >= TAG and at < own.columns.shape[1]
    if not has_room or (is_text and given.held[given.texts[i]] == NO_TEXT):
        own.n_left_out[0] += not has_room
        return
    if column >= 0:
        if own.names[column] == NO_TEXT:
            own.names[column] = _use(own, given, given.names[i])
        own.n_using[column] += 1
    own.columns[row, at] = column
    own.kinds[row, at] = kind
    own.values[row, at] = np.int64(_use(own, given, given.texts[i])) if is_text else given.bits[i]
    own.n_entries[row] = at + 1


@kernel_inner
def _column(own, given, place):
    """The attribute's column, a free one if it has none; NO_COLUMN = none is free."""
    number, free = given.held[place], np.int64(NO_COLUMN)
    if number == NO_TEXT:
        return free
    for column in range(own.names.shape[0]):
        if own.names[column] == number:
            return np.int64(column)
        if free == NO_COLUMN and own.names[column] == NO_TEXT:
            free = np.int64(column)
    return free
