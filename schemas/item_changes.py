"""One message of `items`: what an item is from now on, that it is hidden, or that it is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from stream_rec.errors import ContractError
from stream_rec.schemas.coercion import Flaw, is_available, text, yes_or_no
from stream_rec.schemas.reading import Reader, is_empty
from stream_rec.schemas.records import Item
from stream_rec.schemas.validation import check_id, check_item
from stream_rec.settings import IngestSettings

_reader = Reader(Item, check_item)


class _Hidden(msgspec.Struct, frozen=True):
    """As much of an item as hiding it needs."""

    item_id: Any = None
    available: Any = None
    hidden: Any = None


_hidden = msgspec.json.Decoder(_Hidden)


def item_change(
    key: bytes | None, value: bytes | None, broker_ts: int, rules: IngestSettings
) -> tuple[str, Item | None, list[Flaw]]:
    """Read one message.

    Args:
        key: the item's id.
        value: the item; empty or null = it is gone. Its item_id may be missing.
        broker_ts: in ms; negative = unknown.
        rules: what is let in.

    Returns:
        The id; the item, or None = it is gone; what was left out of it.

    Raises:
        ContractError: nothing can be made of it. Never for an item with an id that is not available.
    """
    try:
        return _change(key, value, broker_ts, rules)
    except ContractError as error:
        item_id = _hides(key, value, rules) if value else None
        if item_id is None:
            raise
        return item_id, Item(item_id, available=False), [Flaw("", error.reason)]


def _change(
    key: bytes | None, value: bytes | None, broker_ts: int, rules: IngestSettings
) -> tuple[str, Item | None, list[Flaw]]:
    if not key:
        raise ContractError("missing_key", "the key is the item's id")
    try:
        item_id = key.decode()
    except UnicodeDecodeError as error:
        raise ContractError("not_utf8", f"key: {error}") from None
    if value is None or is_empty(value):
        check_id("key", item_id, rules)
        return item_id, None, []
    item, flaws = _reader.read(value, broker_ts, rules, {"item_id": item_id})
    if item.item_id != item_id:
        raise ContractError("key_mismatch", f"key {item_id!a}, item_id {item.item_id!a}")
    return item_id, item, flaws


def _hides(key: bytes | None, value: bytes, rules: IngestSettings) -> str | None:
    """The item that an otherwise unreadable record hides; None = it hides none, or it is unclear which."""
    try:
        found = _hidden.decode(value.decode(errors="replace"))
        if not _is(found.available, False, is_available) and not _is(found.hidden, True, yes_or_no):
            return None
        ids = {given for given in (key.decode() if key else None, _id(found.item_id)) if given}
        if len(ids) != 1:
            return None
        check_id("item_id", min(ids), rules)
    except (msgspec.DecodeError, RecursionError, ValueError, ContractError):
        return None
    return min(ids)


def _is(value: Any, wanted: bool, read: Callable[[Any], bool]) -> bool:
    try:
        return value is not None and read(value) is wanted
    except ValueError:
        return False


def _id(value: Any) -> str | None:
    return None if value is None else text(value)
