"""Why an item is recommended, in words for people."""

from __future__ import annotations

from collections.abc import Callable

from stream_rec.schemas.records import Reason

_PHRASES = {
    "popularity": "popular now",
    "popular": "popular now",
    "trending": "gaining now",
    "new": "new",
    "similar": "like {}",
    "transitions": "often follows {}",
    "neighbours": "from sessions with {}",
    "item_neighbours": "liked along with {}",
    "factorization": "this user's taste",
    "session": "seen in this session",
    "batch": "from what this user had before",
}
_NO_ITEM = "what came before"


def because(reason: Reason, title: Callable[[str], str]) -> str:
    """A reason in words.

    Args:
        reason: of a slate's item.
        title: what people call an item, by its id.
    """
    item = title(reason.item_id) if reason.item_id else _NO_ITEM
    return _PHRASES.get(reason.source, f"{reason.source}, {{}}").replace("{}", item)
