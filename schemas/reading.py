"""Raw messages to records, one at a time, each good or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from stream_rec.errors import ContractError
from stream_rec.schemas.columns import Rejected
from stream_rec.schemas.records import Impression, Interaction, Item
from stream_rec.settings import IngestSettings

R = TypeVar("R", Interaction, Item, Impression)
Row = tuple[int, int, R]
"""offset, broker timestamp (ms), record."""

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a decoder raises for bytes that are no record."""


def one_by_one(
    raw: Sequence[bytes | None],
    offsets: Sequence[int],
    broker_ts: Sequence[int],
    rules: IngestSettings,
    decode: Callable[[bytes], R],
    check: Callable[[R, int, IngestSettings], None],
) -> tuple[list[Row[R]], list[Rejected]]:
    """Read messages one at a time: the good ones, and every other with the reason; both in order."""
    rows: list[Row[R]] = []
    rejected: list[Rejected] = []
    for value, offset, stamp in zip(raw, offsets, broker_ts, strict=True):
        try:
            rows.append((offset, stamp, read(value, stamp, rules, decode, check)))
        except ContractError as error:
            rejected.append(Rejected(offset, stamp, error.reason, error.detail, value or b""))
    return rows, rejected


def read(
    raw: bytes | None,
    broker_ts: int,
    rules: IngestSettings,
    decode: Callable[[bytes], R],
    check: Callable[[R, int, IngestSettings], None],
) -> R:
    """Read one message and judge it.

    Args:
        raw: its value.
        broker_ts: in ms; negative = unknown.
        rules: what is let in.
        decode: bytes to record.
        check: judges the record; raises ContractError.

    Raises:
        ContractError: why it is no such record.
    """
    if not raw:
        raise ContractError("empty_value", "the message has no value")
    if len(raw) > rules.max_record_bytes:
        raise ContractError("record_too_large", f"{len(raw)} bytes, {rules.max_record_bytes} are allowed")
    try:
        raw.decode()
        record = decode(raw)
    except UNREADABLE as error:
        raise _unreadable(error) from None
    check(record, broker_ts, rules)
    return record


def _unreadable(error: Exception) -> ContractError:
    detail = ascii(str(error))[1:-1]
    if isinstance(error, UnicodeError):
        return ContractError("not_utf8", detail)
    if isinstance(error, RecursionError):
        return ContractError("too_deep", detail)
    if not isinstance(error, msgspec.ValidationError):
        return ContractError("not_json", detail)
    return ContractError("missing_field" if "missing required field" in detail else "wrong_type", detail)
