"""Fields of a file without a header, by what stands in its columns: only where it cannot be mistaken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stream_rec.errors import ConfigError
from stream_rec.shapes import dates, times
from stream_rec.shapes.values import plain

COLUMN = re.compile(r"column_\d+")
"""What columns without a name are called."""
_TYPES = frozenset({
    "view", "views", "click", "clicks", "cart", "addtocart", "add_to_cart", "add-to-cart", "buy", "purchase", "order",
    "transaction", "like", "dislike", "fav", "favorite", "wishlist", "share", "rating", "rate", "play", "skip", "pv",
    "read", "watch", "listen", "impression", "remove", "remove_from_cart",
})  # fmt: skip
MAX_RATING = 10.0
MAX_RATINGS = 21
"""Different ones: 0 to 10 in halves."""


def is_headerless(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Have the columns no names?"""
    return bool(rows) and bool(rows[0]) and all(COLUMN.fullmatch(name) for name in rows[0])


def by_content(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The column of each field: a user, an item, perhaps a rating, in this order, beside a time and perhaps a type.

    Raises:
        ConfigError: it may be otherwise.
    """
    columns = {name: [row[name] for row in rows if row.get(name) not in (None, "")] for name in rows[0]}
    moments = [name for name, given in columns.items() if given and _are_moments(given)]
    types = [name for name, given in columns.items() if given and _are_types(given)]
    rest = [name for name in columns if name not in (*moments, *types)]
    is_plain = len(moments) == 1 and len(types) <= 1 and 2 <= len(rest) <= 3
    if is_plain and all(_are_ids(columns[name]) for name in rest[:2]):
        found = {"user_id": rest[0], "item_id": rest[1], "ts": moments[0]}
        if types:
            found["event_type"] = types[0]
        if len(rest) == 2:
            return found
        if _are_ratings(columns[rest[2]]):
            return {**found, "value": rest[2]} | ({} if types else {"event_type": "'rating'"})
    row = ", ".join(str(value)[:20] for value in rows[0].values())
    names = ", ".join(
        f"'{name}'" for name in ("user_id", "item_id", "value", "ts", "event_type")[: len(columns)]
    )
    raise ConfigError(
        f"the file has no header, and its {len(columns)} columns may be several things: {ascii(row)[1:-1]}",
        fix=f"name them in their order in a shape, preset = 'native' and columns = [{names}] (what is nothing of these "
        "gets a name of its own), and read the file with --shape",
    )


def _are_moments(given: Sequence[Any]) -> bool:
    """Dates, or numbers of this century in seconds or a smaller unit."""
    if times.number(given[0]) is None:
        return dates.pattern_of(given) is not None or all(
            times.iso(str(value)) is not None for value in given
        )
    low, high = dates.CENTURY
    return all((found := times.reader("auto")(value)) is not None and low < found < high for value in given)


def _are_types(given: Sequence[Any]) -> bool:
    return all(str(value).strip().lower() in _TYPES for value in given)


def _are_ids(given: Sequence[Any]) -> bool:
    """Texts or whole numbers."""
    return bool(given) and all(
        (text := plain(value)) and ((size := times.number(text)) is None or size.is_integer())
        for value in given
    )


def _are_ratings(given: Sequence[Any]) -> bool:
    found = {times.number(value) for value in given}
    return 0 < len(found) <= MAX_RATINGS and all(one is not None and 0 <= one <= MAX_RATING for one in found)
