"""JSON on the wire to columns and back, a batch at a time.

A large batch is decoded on the bet that every record is good. If one is not, it is gone through record by record:
the bad ones are rejected with a reason, all others live.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ContractError
from stream_rec.schemas.columns import (
    Decoded,
    EventBatch,
    IdColumn,
    ImpressionBatch,
    ItemBatch,
    ItemChange,
    Rejected,
    Span,
)
from stream_rec.schemas.reading import UNREADABLE, one_by_one, read
from stream_rec.schemas.records import DeadLetter, Impression, Interaction, Item, Record
from stream_rec.schemas.validation import (
    FLOAT32_MAX,
    TS_END,
    check_id,
    check_impression,
    check_interaction,
    check_item,
)
from stream_rec.settings import IngestSettings

_DETAIL_CHARACTERS = 500
_BULK_RECORDS = 32
"""Checks in bulk cost about 100 us a batch: fewer records are checked one at a time."""

_interaction = msgspec.json.Decoder(Interaction)
_item = msgspec.json.Decoder(Item)
_impression = msgspec.json.Decoder(Impression)
_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """The record as it goes on the wire: compact JSON, UTF-8. NaN and infinities become null.

    Raises:
        UnicodeEncodeError: a string holds half a surrogate pair.
    """
    return _encoder.encode(record)


def decode_interactions(
    raw: Sequence[bytes | None],
    offsets: Sequence[int],
    broker_ts: Sequence[int],
    span: Span,
    rules: IngestSettings,
) -> Decoded[EventBatch]:
    """Read a batch of `events`.

    Args:
        raw: the values, in log order.
        offsets: of each, ascending.
        broker_ts: of each, in ms; negative = the broker gave none.
        span: of the whole batch.
        rules: what is let in.

    Returns:
        The good records as columns, in log order, and every other one with the reason. Never raises for what
        is in a message.
    """
    if len(raw) >= _BULK_RECORDS:
        batch = _all_good(raw, offsets, broker_ts, span, rules)
        if batch is not None:
            return Decoded(batch)
    rows, rejected = one_by_one(raw, offsets, broker_ts, rules, _interaction.decode, check_interaction)
    events = [event for _, _, event in rows]
    return Decoded(_event_columns(events, [row[0] for row in rows], [row[1] for row in rows], span), rejected)


def decode_items(
    keys: Sequence[bytes | None],
    raw: Sequence[bytes | None],
    offsets: Sequence[int],
    broker_ts: Sequence[int],
    span: Span,
    rules: IngestSettings,
) -> Decoded[ItemBatch]:
    """Read a batch of `items`; an empty value removes the item of its key. Else as `decode_interactions`."""
    changes: list[ItemChange] = []
    rejected: list[Rejected] = []
    for key, value, offset, stamp in zip(keys, raw, offsets, broker_ts, strict=True):
        try:
            changes.append(_item_change(key, value, offset, stamp, rules))
        except ContractError as error:
            rejected.append(Rejected(offset, stamp, error.reason, error.detail, value or b""))
    return Decoded(ItemBatch(span, changes), rejected)


def decode_impressions(
    raw: Sequence[bytes | None],
    offsets: Sequence[int],
    broker_ts: Sequence[int],
    span: Span,
    rules: IngestSettings,
) -> Decoded[ImpressionBatch]:
    """Read a batch of `impressions`; as `decode_interactions`."""
    rows, rejected = one_by_one(raw, offsets, broker_ts, rules, _impression.decode, check_impression)
    shown = [impression for _, _, impression in rows]
    propensities = [p for s in shown for p in (s.propensities or (np.nan,) * len(s.items))]
    batch = ImpressionBatch(
        span=span,
        offsets=np.array([row[0] for row in rows], np.int64),
        broker_ts=np.array([row[1] for row in rows], np.int64),
        ts=np.array([s.ts for s in shown], np.float64),
        users=IdColumn.of([s.user_id for s in shown]),
        slate_ids=IdColumn.of([s.slate_id for s in shown]),
        scenarios=[s.scenario for s in shown],
        variants=[s.variant or "" for s in shown],
        items=IdColumn.of([item for s in shown for item in s.items]),
        item_ends=np.cumsum([len(s.items) for s in shown], dtype=np.int64),
        propensities=np.array(propensities, np.float32),
    )
    return Decoded(batch, rejected)


def dead_letter(span: Span, rejected: Rejected, limit: int) -> DeadLetter:
    """What goes to `dead-letters` for a rejected message; of its bytes the first `limit`."""
    return DeadLetter(
        topic=span.topic,
        partition=span.partition,
        offset=rejected.offset,
        broker_ts=rejected.broker_ts,
        reason=rejected.reason,
        detail=rejected.detail[:_DETAIL_CHARACTERS],
        raw=rejected.raw[:limit],
        raw_bytes=len(rejected.raw),
        truncated=len(rejected.raw) > limit,
    )


def _item_change(
    key: bytes | None, value: bytes | None, offset: int, broker_ts: int, rules: IngestSettings
) -> ItemChange:
    if not key:
        raise ContractError("missing_key", "the key is the item's id")
    try:
        item_id = key.decode()
    except UnicodeDecodeError as error:
        raise ContractError("not_utf8", f"key: {error}") from None
    if not value:
        check_id("key", item_id, rules)
        return ItemChange(offset, broker_ts, item_id, None)
    item = read(value, broker_ts, rules, _item.decode, check_item)
    if item.item_id != item_id:
        raise ContractError("key_mismatch", f"key {item_id!a}, item_id {item.item_id!a}")
    return ItemChange(offset, broker_ts, item_id, item)


def _all_good(
    raw: Sequence[bytes | None],
    offsets: Sequence[int],
    broker_ts: Sequence[int],
    span: Span,
    rules: IngestSettings,
) -> EventBatch | None:
    """The batch if every record is good, checked in bulk; None if one may not be."""
    values: list[bytes] = [value for value in raw if value]
    if len(values) != len(raw) or max(map(len, values), default=0) > rules.max_record_bytes:
        return None
    try:
        b"\n".join(values).decode()
        events = list(map(_interaction.decode, values))
        batch = _event_columns(events, offsets, broker_ts, span)
    except UNREADABLE:
        return None
    ids_good = (
        _ids_good(batch.users, rules, required=True)
        and _ids_good(batch.items, rules, required=True)
        and _ids_good(batch.sessions, rules)
        and _ids_good(batch.event_ids, rules)
        and _ids_good(IdColumn.of(sorted(set(batch.event_types))), rules, required=True)
    )
    contexts_good = all(len(e.context) <= rules.max_context_entries for e in events if e.context)
    values_good = all(abs(e.value) <= FLOAT32_MAX for e in events if e.value is not None)
    return batch if ids_good and contexts_good and values_good and _ts_good(batch, rules) else None


def _event_columns(
    events: Sequence[Interaction], offsets: Sequence[int], broker_ts: Sequence[int], span: Span
) -> EventBatch:
    nan = float("nan")
    with np.errstate(over="ignore"):  # a value too large for 32 bits is rejected by the caller
        values: NDArray[np.float32] = np.array(
            [nan if e.value is None else e.value for e in events], np.float32
        )
    return EventBatch(
        span=span,
        offsets=np.array(offsets, np.int64),
        broker_ts=np.array(broker_ts, np.int64),
        ts=np.array([e.ts for e in events], np.float64),
        users=IdColumn.of([e.user_id for e in events]),
        items=IdColumn.of([e.item_id for e in events]),
        sessions=IdColumn.of([e.session_id or "" for e in events]),
        event_ids=IdColumn.of([e.event_id or "" for e in events]),
        event_types=[e.event_type for e in events],
        values=values,
    )


def _ids_good(ids: IdColumn, rules: IngestSettings, *, required: bool = False) -> bool:
    if not len(ids.ends):
        return True
    lengths = np.diff(ids.ends, prepend=0)
    if lengths.max() > rules.max_id_bytes or (required and lengths.min() == 0):
        return False
    return bool(ids.data.all())


def _ts_good(batch: EventBatch, rules: IngestSettings) -> bool:
    if not len(batch):
        return True
    if not (batch.ts.min() >= 0 and batch.ts.max() < TS_END):
        return False
    ahead = np.where(batch.broker_ts < 0, 0.0, batch.ts - batch.broker_ts / 1000)
    late = rules.max_lateness_seconds > 0 and -ahead.min() > rules.max_lateness_seconds
    return bool(ahead.max() <= rules.max_future_seconds and not late)
