"""Cursors: what a reader has had already, so that no item comes twice however the slate changes meanwhile."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Collection, Sequence

import xxhash

from stream_rec.api.problem import Problem
from stream_rec.schemas.records import SlateItem

MAX_ITEMS = 500
"""Items that one can page through; their cursor is 5.3 KiB, which every server takes in an address."""
_HASH_BYTES = 8

Had = Collection[bytes]


def had(cursor: str) -> Had:
    """Hashes of the items that were given before.

    Raises:
        Problem: it is no cursor of ours.
    """
    try:
        raw = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise _foreign() from None
    if len(raw) % _HASH_BYTES or len(raw) > MAX_ITEMS * _HASH_BYTES:
        raise _foreign()
    return frozenset(raw[at : at + _HASH_BYTES] for at in range(0, len(raw), _HASH_BYTES))


def left(items: Sequence[SlateItem], before: Had) -> list[SlateItem]:
    """Those that were not given before."""
    return [each for each in items if _hash(each.item_id) not in before]


def cursor_after(before: Had, given: Sequence[SlateItem]) -> str | None:
    """For the page after this one; None = so many items have been given that there is none."""
    hashes = {*before, *(_hash(each.item_id) for each in given)}
    if len(hashes) >= MAX_ITEMS:
        return None
    return urlsafe_b64encode(b"".join(sorted(hashes))).rstrip(b"=").decode()


def _hash(item_id: str) -> bytes:
    return xxhash.xxh3_64_digest(item_id.encode())


def _foreign() -> Problem:
    return Problem(
        "refused", "it is no cursor", where="query cursor", fix="send the one of the answer before"
    )
