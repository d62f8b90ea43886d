"""Slates and lists as JSON. `as_of` comes first: `slate.lua` compares it without parsing the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import xxhash

from stream_rec.schemas.records import AsOf, Slate, SlateItem

_LOG = re.compile(r"[A-Za-z0-9+/=_.-]{1,64}")
"""Base64 of either alphabet (topic ids): no escapes, and the head stays under the 256 bytes slate.lua reads."""

_encode = msgspec.json.Encoder().encode


class EncodedSlate(NamedTuple):
    """A slate ready for Redis and for the topic `slates`."""

    user_id: str
    scenario: str
    as_of: AsOf
    json: bytes


class ListItem(msgspec.Struct, frozen=True):
    """One place of an ItemList."""

    item_id: str
    score: float


class ItemList(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ranked list that belongs to no user. Redis `popular`, `trending`, `new`, `similar:*`, `list:*`.

    Attributes:
        as_of: what the writer had learned, in one partition it owns; first field, as in Slate.
        model: version of the model.
        created_ts: seconds since the epoch, the worker's clock.
        items: best first.
        changed: of a scenario: offset on `control` of its last record; a slate whose `as_of.rules` is below it was made
            under rules that are no more.
        not_for: of `popular`: scenarios that it is no fallback for; they have a list of their own.
        allowed: of a scenario with a filter: how many items that lets through; -1 = it has none.
        of: so many there were.
    """

    as_of: AsOf
    model: str
    created_ts: float
    items: tuple[ListItem, ...]
    changed: int = -1
    not_for: tuple[str, ...] = ()
    allowed: int = -1
    of: int = -1


def encode_items(items: Sequence[SlateItem]) -> bytes:
    """The items of a slate, as `encode_slates` takes them."""
    return _encode(items)


def encode_slates(
    users: Sequence[str],
    items: Sequence[bytes],
    *,
    as_of: AsOf,
    scenario: str,
    model: str,
    created_ts: float,
    relaxed: Sequence[bool] = (),
    tried: Sequence[tuple[str, str, float] | None] = (),
) -> list[EncodedSlate]:
    """Slates of n users, all made at one state of the engine.

    Args:
        users: user ids [n].
        items: per user, the JSON of the items, best first.
        as_of: last event learned before these slates were made.
        scenario: their scenario.
        model: version of the model.
        created_ts: now.
        relaxed: per user, the slate holds what the user has had, for want of anything else; empty = none does.
        tried: per user, experiment, variant and its propensity, or None = of none; empty = of nobody.

    Returns:
        In the order of `users`. `slate_id` is a function of as_of, scenario, created_ts, users[0] and the
        place in `users`: the same batch encoded again at another time gets other ids.

    Raises:
        ValueError: columns differ in length, or `as_of.log` does not fit the head.
    """
    _check_log(as_of)
    if not users:
        return []
    where = f"{as_of.log}/{as_of.partition}/{as_of.offset}/{scenario}/{created_ts!r}/{users[0]}"
    made = xxhash.xxh3_64_hexdigest(where.encode())
    encoded: list[EncodedSlate] = []
    for place, (user, places) in enumerate(zip(users, items, strict=True)):
        gave_way = "repeats" if relaxed and relaxed[place] else None
        row: Any = msgspec.Raw(places)  # stands in the slate as it is
        of_arm = (tried[place] if tried else None) or ()
        slate = Slate(as_of, user, scenario, f"{made}-{place}", model, created_ts, row, gave_way, *of_arm)
        json = _encode(slate)
        encoded.append(EncodedSlate(user, scenario, as_of, json))
    return encoded


def encode_list(
    items: Sequence[str],
    scores: Sequence[float],
    *,
    as_of: AsOf,
    model: str,
    created_ts: float,
    changed: int = -1,
    not_for: Sequence[str] = (),
    reach: tuple[int, int] = (-1, -1),
) -> bytes:
    """An ItemList; `reach` is its `allowed` and `of`.

    Raises:
        ValueError: a score is not finite, columns differ in length, or `as_of.log` does not fit the head.
    """
    _check_log(as_of)
    row = tuple([ListItem(*cells) for cells in zip(items, scores, strict=True)])
    json = _encode(ItemList(as_of, model, created_ts, row, changed, tuple(not_for), *reach))
    _check_finite(json)
    return json


def _check_log(as_of: AsOf) -> None:
    if not _LOG.fullmatch(as_of.log):
        raise ValueError(f"as_of.log {as_of.log!r} is not 1 to 64 of A-Z a-z 0-9 + / = _ . -")


def _check_finite(json: bytes) -> None:
    # msgspec writes NaN and infinity as null; inside an id the quotes would be escaped.
    if b'"score":null' in json:
        raise ValueError("a score is not finite")
