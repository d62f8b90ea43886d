"""A slate from nothing but the running session: for a user whom no worker has written a slate for."""

from __future__ import annotations

from collections.abc import Sequence

from stream_rec.schemas.records import Reason, SlateItem
from stream_rec.store.encoding import ItemList

MAX_SESSION_ITEMS = 10
"""Only the latest items of a longer session count."""
RANK_OFFSET = 60.0
"""The constant of reciprocal rank fusion (Cormack, Clarke & Buettcher, SIGIR 2009)."""


def recent_items(session: Sequence[str]) -> list[str]:
    """The items whose neighbours are asked for: latest first, each once, `MAX_SESSION_ITEMS` at most.

    Args:
        session: item ids, latest last; a repeated item counts at its latest place.
    """
    return list(dict.fromkeys(reversed(session)))[:MAX_SESSION_ITEMS]


def session_slate(
    session: Sequence[str],
    neighbours: Sequence[ItemList | None],
    against: Sequence[SlateItem] = (),
    *,
    decays: bool = True,
) -> list[SlateItem]:
    """Fuse the neighbours of the session's items by reciprocal rank, the latest item weighing most.

    score(i) = sum over the session's items s of 1 / age(s) * 1 / (60 + rank of i among s' neighbours), with
    age 1 for the latest item. The session's own items are left out. The reason names the item that contributed
    most.

    Args:
        session: item ids, latest last.
        neighbours: of each of `recent_items(session)`, best first; None = it has none.
        against: the same of what is not wanted: its scores are taken off, and what has none left is left out.
        decays: later items weigh more; else age is 1 for all, as in a basket.

    Returns:
        Best first, ties by item id; empty if no item of the session has neighbours.
    """
    seen = set(session)
    scores: dict[str, float] = {}
    loudest: dict[str, tuple[float, str]] = {}
    recent = zip(recent_items(session), neighbours, strict=True)
    for age, (item, found) in enumerate(recent, start=1):
        for rank, place in enumerate(found.items if found else (), start=1):
            if place.item_id in seen:
                continue
            share = 1.0 / (age if decays else 1) / (RANK_OFFSET + rank)
            scores[place.item_id] = scores.get(place.item_id, 0.0) + share
            loudest[place.item_id] = max(loudest.get(place.item_id, (0.0, "")), (share, item))
    for unwanted in against:
        if unwanted.item_id in scores:
            scores[unwanted.item_id] -= unwanted.score
    ranked = sorted(
        ((item, score) for item, score in scores.items() if score > 0), key=lambda pair: (-pair[1], pair[0])
    )
    return [SlateItem(item, score, Reason("similar", loudest[item][1])) for item, score in ranked]


def not_leading(items: Sequence[SlateItem], clicked: str | None) -> Sequence[SlateItem]:
    """The items, the one just clicked behind the next one if it led: people are there already.

    It keeps no higher score than the item that leads now. An only item stays.
    """
    if len(items) < 2 or items[0].item_id != clicked:
        return items
    last, first, *rest = items
    return [first, SlateItem(last.item_id, min(last.score, first.score), last.reason), *rest]
