"""Messages that are no events, of every kind: for the demo, and for tests of what the worker does with them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

LARGE_BYTES = 5_000_000
MAX_LARGE = 2
"""Most large messages (5 MB each) in one set."""

_YEAR_9000 = 221_845_392_000.0
_DEPTH = 20_000

Event = dict[str, Any]


class BadMessage(NamedTuple):
    """One message for the topic `events`.

    Attributes:
        kind: what is wrong with it, for people.
        reason: the code it is to be dead-lettered with, under the default limits of `ingest`.
        key: a user's id, as a producer would give it.
        value: the bytes; None = no value.
    """

    kind: str
    reason: str
    key: bytes
    value: bytes | None


def _with(**fields: Any) -> Callable[[Event], bytes]:
    return lambda event: json.dumps({**event, **fields}).encode()


def _without(field: str) -> Callable[[Event], bytes]:
    return lambda event: json.dumps({name: x for name, x in event.items() if name != field}).encode()


def _number(field: str, literal: str) -> Callable[[Event], bytes]:
    """A number that `json.dumps` would not write."""
    return lambda event: json.dumps({**event, field: "@"}).replace('"@"', literal).encode()


def _bytes(change: Callable[[bytes], bytes | None]) -> Callable[[Event], bytes | None]:
    return lambda event: change(json.dumps(event).encode())


KINDS: tuple[tuple[str, str, Callable[[Event], bytes | None]], ...] = (
    ("no item_id", "missing_field", _without("item_id")),
    ("not JSON", "not_json", lambda _: b"user=7&item=3"),
    ("ts as text", "wrong_type", _with(ts="yesterday")),
    ("empty user_id", "empty_id", _with(user_id="")),
    ("ts in the year 9000", "ts_in_future", _with(ts=_YEAR_9000)),
    ("not UTF-8", "not_utf8", _bytes(lambda raw: raw.replace(b'"view"', b'"v\xefew"'))),
    ("no value", "empty_value", lambda _: None),
    ("over-long item_id", "id_too_long", _with(item_id="x" * 10_000)),
    ("5 MB", "record_too_large", _with(event_type="v" * LARGE_BYTES)),
    ("ts in milliseconds", "ts_out_of_range", _with(ts=1_700_000_000_000)),
    ("cut off", "not_json", _bytes(lambda raw: raw[: len(raw) // 2])),
    ("no user_id", "missing_field", _without("user_id")),
    ("no event_type", "missing_field", _without("event_type")),
    ("no ts", "missing_field", _without("ts")),
    ("user_id as a list", "wrong_type", _with(user_id=[7])),
    ("item_id null", "missing_field", _with(item_id=None)),
    ("event_type as a list", "wrong_type", _with(event_type=["view"])),
    ("empty item_id", "empty_id", _with(item_id="")),
    ("empty event_type", "empty_id", _with(event_type="")),
    ("over-long user_id, in few letters", "id_too_long", _with(user_id="\N{GRINNING FACE}" * 65)),
    ("NUL in user_id", "bad_id", _with(user_id="u\0u")),
    ("half a surrogate pair", "wrong_type", _with(user_id="\ud800")),
    ("negative ts", "ts_out_of_range", _with(ts=-1.0)),
    ("infinite ts", "wrong_type", _number("ts", "1e999")),
    ("ts is NaN", "wrong_type", _number("ts", "NaN")),
    ("null", "empty_value", lambda _: b"null"),
    (
        "deep nesting",
        "too_deep",
        _bytes(lambda raw: raw[:-1] + b',"x":' + b"[" * _DEPTH + b"]" * _DEPTH + b"}"),
    ),
    ("two events in one", "not_json", _bytes(lambda raw: raw + b"," + raw)),
    ("an array", "wrong_type", _bytes(lambda raw: b"[" + raw + b"]")),
    ("a number", "wrong_type", lambda _: b"17"),
    ("blanks only", "not_json", lambda _: b"   "),
    ("empty value", "empty_value", lambda _: b""),
    ("random bytes", "not_utf8", _bytes(lambda raw: b"\xff\x00" + raw[::-1])),
)
"""kind, reason, and what makes the message from a good event; the first ones tell a story in a demo."""


def bad_messages(n: int, seed: int, *, ts: float = 1_700_000_000.0) -> list[BadMessage]:
    """So many bad messages, of every kind in turn; large ones are left out after the first few.

    Args:
        n: how many; `len(KINDS)` or more hold every kind.
        seed: of the ids in them.
        ts: event time of those whose fault is another.
    """
    rng = random.Random(seed)
    messages: list[BadMessage] = []
    n_large = 0
    at = 0
    while len(messages) < n:
        kind, reason, make = KINDS[at % len(KINDS)]
        at += 1
        if reason == "record_too_large":
            n_large += 1
            if n_large > MAX_LARGE:
                continue
        user = f"u{rng.randrange(100_000)}"
        good = {"user_id": user, "item_id": f"i{rng.randrange(10_000)}", "event_type": "view", "ts": ts}
        messages.append(BadMessage(kind, reason, user.encode(), make(good)))
    return messages
