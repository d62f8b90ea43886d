"""What the catalogue says of items, between records and the columns of the state (kernels.columns)."""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.names import n_rows, name_of, rows_of
from stream_rec.kernels.columns import (
    EMPTY_LIST,
    FLAG,
    NO_TEXT,
    NUMBER,
    NUMBER_IN_LIST,
    TAG,
    TEXT,
    TEXT_IN_LIST,
    Described,
)
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.expressions import ATTRIBUTES, SAMPLE
from stream_rec.schemas.records import AttributeValue, Item
from stream_rec.schemas.scenario_reads import KnownNames

if TYPE_CHECKING:
    from stream_rec.engine.held import Held

TITLE_BYTES = 256
"""Of a longer title the state holds its beginning."""
_NAN = float("nan")
_EXAMPLES = 3
_NEVER, _FEW_ITEMS = (-1, -1), 8192
_GIVEN = SAMPLE.keys()
_WITHOUT_ENTRIES = _GIVEN - {"tags", ATTRIBUTES}
"""What is known of an item without its tags and the shop's own attributes."""
_DOUBLE, _BITS = struct.Struct("=d"), struct.Struct("=q")


class _Texts:
    """The different texts of a record, each at a place."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        """Where the text is; -1 = it is empty."""
        return self._places.setdefault(text, len(self._places)) if text else -1

    def column(self) -> IdColumn:
        """All of them."""
        return IdColumn.of(list(self._places))


def described(item: Item) -> Described:
    """A record as the kernels read it."""
    texts = _Texts()
    title, owner = texts.place(_cut(item.title)), texts.place(item.owner or "")
    entries = [(TAG, TEXT, texts.place(tag), 0) for tag in dict.fromkeys(item.tags) if tag]
    for name, value in (item.attributes or {}).items():
        if name and value is not None:
            entries += [(texts.place(name), *entry) for entry in _entries(value, texts)]
    ids = texts.column()
    names, kinds, places, bits = zip(*entries, strict=True) if entries else ((), (), (), ())
    return Described(
        data=ids.data,
        ends=ids.ends,
        hashes=hash_ids(ids),
        title=title,
        owner=owner,
        price=_given(item.price),
        opens=_given(item.available_from),
        closes=_given(item.available_until),
        names=np.array(names, np.int32),
        kinds=np.array(kinds, np.uint8),
        texts=np.array(places, np.int32),
        bits=np.array(bits, np.int64),
        held=np.zeros(len(ids.ends), np.int32),
    )


def _given(number: float | None) -> float:
    return _NAN if number is None else float(number)


def _cut(title: str) -> str:
    raw = title.encode()
    return title if len(raw) <= TITLE_BYTES else raw[:TITLE_BYTES].decode(errors="ignore")


def _entries(value: AttributeValue, texts: _Texts) -> list[tuple[int, int, int]]:
    """Kind, place of the text, and bits of the number, of each value; empty texts say nothing."""
    if isinstance(value, tuple):
        return [_one(each, texts, in_list=True) for each in value if each != ""] or [(EMPTY_LIST, -1, 0)]
    return [_one(value, texts, in_list=False)] if value != "" else []


def _one(value: str | int | float | bool, texts: _Texts, *, in_list: bool) -> tuple[int, int, int]:
    if isinstance(value, str):
        return TEXT_IN_LIST if in_list else TEXT, texts.place(value), 0
    (bits,) = _BITS.unpack(_DOUBLE.pack(float(value)))
    kind = NUMBER_IN_LIST if in_list else FLAG if isinstance(value, bool) else NUMBER
    return kind, -1, bits


class ItemAttributes:
    """What is known of the items in the rows, for rules. Engine's thread.

    Args:
        held: the state; read only.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self._texts: dict[int, tuple[int, str]] = {}
        self._counted = _NEVER
        self._known: tuple[int, tuple[str, ...]] | None = None
        self._n_of_owner: NDArray[np.int64] = np.zeros(0, np.int64)

    @property
    def version(self) -> int:
        """Grows with every change of a row; part of the state."""
        return int(self._held.state.columns.version[0])

    def changed_since(self, version: int) -> NDArray[np.int64]:
        """Rows that have changed since then, ascending: described anew, removed, or given to another item."""
        state = self._held.state
        return np.flatnonzero(state.columns.changed[: n_rows(state.items)] > version)

    def of(self, row: int, names: Collection[str] | None = None) -> dict[str, Any]:
        """What is known of the item in a row that was taken; of a free row no `id`.

        Args:
            row: of the item.
            names: what is asked for; None = everything. What was not asked for may be left out; `attributes` is there.

        Returns:
            `id`, `title`, `tags`, `owner`, `attributes` (empty where nothing was given), `first_seen` (seconds since
            the epoch: its catalogue time, or that of its first event) and `age` (seconds, by the latest event time);
            `price`, `available_from` and `available_until` only where they were given, and so `owner_items`, how many
            items have the owner.
        """
        state = self._held.state
        own = state.columns
        wanted = _GIVEN if names is None else names
        found: dict[str, Any] = {ATTRIBUTES: {}}
        if "id" in wanted and state.items.lengths[row] >= 0:
            found["id"] = name_of(state.items, row)
        for name, texts in (("title", own.title), ("owner", own.owner)):
            if name in wanted:
                found[name] = self._text(texts[row])
        if "owner_items" in wanted and own.owner[row] != NO_TEXT:
            found["owner_items"] = float(self._items_of(int(own.owner[row])))
        if "first_seen" in wanted or "age" in wanted:
            found["first_seen"] = first_seen = float(state.first_seen[row])
            found["age"] = max(0.0, float(state.clock[0]) - first_seen)
        for name, column in (
            ("price", own.price),
            ("available_from", own.opens),
            ("available_until", own.closes),
        ):
            if name in wanted and not np.isnan(number := column[row]):
                found[name] = float(number)
        if names is None or not _WITHOUT_ENTRIES.issuperset(wanted):
            found["tags"], found[ATTRIBUTES] = self._entries(state, row)
        return found

    def known_names(self) -> KnownNames:
        """What at least one item has, and how catalogue and events fit together. O(items)."""
        if self._known is None or self._known[0] != self.version:
            self._known = self.version, self._names()
        state = self._held.state
        n = n_rows(state.items)
        taken, described = state.items.lengths[:n] >= 0, state.in_catalogue[:n]
        acted_on = state.popularity.scores[-1, :n] > 0.0  # of the half-life that is longest
        with_events, strangers = described & acted_on & taken, ~described & acted_on & taken
        return KnownNames(
            items=int(np.count_nonzero(described & taken)),
            names=self._known[1],
            available=int(np.count_nonzero(described & taken & state.popularity.eligible[:n])),
            with_events=int(np.count_nonzero(with_events)),
            strangers=int(np.count_nonzero(strangers)),
            examples=self._ids(described & ~acted_on & taken),
            strange=self._ids(strangers),
        )

    def _ids(self, rows: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(name_of(self._held.state.items, int(row)) for row in np.flatnonzero(rows)[:_EXAMPLES])

    def _names(self) -> tuple[str, ...]:
        state = self._held.state
        own, n = state.columns, n_rows(state.items)
        there = {
            "title": own.title[:n].any(),
            "tags": (
                (own.columns[:n, 0] == TAG) & (own.n_entries[:n] > 0)
            ).any(),  # they stand before all others
            "owner": own.owner[:n].any(),
            "owner_items": own.owner[:n].any(),
            "price": ~np.isnan(own.price[:n]).all(),
            "available_from": ~np.isnan(own.opens[:n]).all(),
            "available_until": ~np.isnan(own.closes[:n]).all(),
        }
        names = {name for name, is_there in there.items() if n and is_there}
        names |= {self._text(own.names[column]) for column in np.flatnonzero(own.n_using > 0).tolist()}
        return tuple(sorted(names))

    def _items_of(self, owner: int) -> int:
        """Items of an owner; of many items, as of at most 1,024 changes ago."""
        state = self._held.state
        n = n_rows(state.items)
        counted = int(state.columns.version[0]) // (1 if n <= _FEW_ITEMS else 1024), n // 1024
        if counted != self._counted or owner >= len(self._n_of_owner):
            self._counted, self._n_of_owner = (
                counted,
                np.bincount(state.columns.owner[:n], minlength=owner + 1),
            )
        return int(self._n_of_owner[owner])

    def _entries(self, state: State, row: int) -> tuple[list[str], dict[str, Any]]:
        own = state.columns
        n = int(own.n_entries[row])
        tags: list[str] = []
        attributes: dict[str, Any] = {}
        rows = zip(
            own.columns[row, :n].tolist(),
            own.kinds[row, :n].tolist(),
            own.values[row, :n].tolist(),
            strict=True,
        )
        for column, kind, value in rows:
            if column == TAG:
                tags.append(self._text(value))
                continue
            name = self._text(own.names[column])
            if kind in (TEXT_IN_LIST, NUMBER_IN_LIST, EMPTY_LIST):
                values = attributes.setdefault(name, [])
                if kind != EMPTY_LIST:
                    values.append(self._value(kind, value))
            else:
                attributes[name] = self._value(kind, value)
        return tags, attributes

    def _value(self, kind: int, value: int) -> str | float | bool:
        if kind in (TEXT, TEXT_IN_LIST):
            return self._text(value)
        number: float = _DOUBLE.unpack(_BITS.pack(value))[0]
        return bool(number) if kind == FLAG else number

    def _text(self, number: int) -> str:
        """A text by its number, decoded once for as long as the number is that text's."""
        number = int(number)
        if number == NO_TEXT:
            return ""
        texts = self._held.state.texts
        text_hash = int(texts.hashes[number - 1])
        known = self._texts.get(number)
        if known is None or known[0] != text_hash:
            known = self._texts[number] = text_hash, name_of(texts, number - 1)
        return known[1]


def number_of_text(state: State, text: str) -> int:
    """The number under which a text stands in columns; NO_TEXT = it stands in none."""
    return int(rows_of(state.texts, IdColumn.of([text]))[0]) + 1 if text else NO_TEXT
