"""JSON on the wire to columns and back, a batch at a time.

A large batch is decoded on the bet that every record is good. If one is not, it is gone through record by record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

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
    LeftOut,
    RecordBatch,
    Rejected,
    Span,
)
from stream_rec.schemas.item_changes import item_change
from stream_rec.schemas.reading import UNREADABLE, Messages, Reader, Rows
from stream_rec.schemas.records import Context, DeadLetter, Impression, Interaction, PublishedRecord, Record
from stream_rec.schemas.validation import (
    FLOAT32_MAX,
    TS_END,
    check_impression,
    check_interaction,
    required,
)
from stream_rec.settings import IngestSettings

R = TypeVar("R", bound=PublishedRecord)

_DETAIL_CHARACTERS = 500
_BULK_RECORDS = 32
"""Checks in bulk cost about 100 us a batch: fewer records are checked one at a time."""

_NOWHERE = Span("events", 0, 0, 0, 0)
_interactions = Reader(Interaction, check_interaction)
_impressions = Reader(Impression, check_impression)
_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """The record as it goes on the wire: compact JSON, UTF-8. NaN and infinities become null.

    Raises:
        UnicodeEncodeError: a string holds half a surrogate pair.
    """
    return _encoder.encode(record)


def decode_interactions(messages: Messages, span: Span, rules: IngestSettings) -> Decoded[EventBatch]:
    """Read a batch of `events`.

    Args:
        messages: of one partition.
        span: of the whole batch.
        rules: what is let in.

    Returns:
        What is good of the records as columns, in log order; the unusable parts of them, and the messages that
        are none, with the reason. Never raises for what is in a message.
    """
    if len(messages.values) >= _BULK_RECORDS:
        good = _all_good(messages, span, rules)
        if good is not None:
            return Decoded(good[1])
    rows = _interactions.read_all(messages, rules)
    batch = _event_columns(rows.records, rows.offsets, rows.broker_ts, span)
    return Decoded(batch, rows.rejected, rows.left_out)


def decode_items(messages: Messages, span: Span, rules: IngestSettings) -> Decoded[ItemBatch]:
    """Read a batch of `items`; an empty value removes the item of its key. Else as `decode_interactions`.

    An item that is to be hidden is hidden, whatever else is wrong with its record.
    """
    changes: list[ItemChange] = []
    rejected: list[Rejected] = []
    left_out: list[LeftOut] = []
    for key, value, offset, stamp in zip(
        messages.keys, messages.values, messages.offsets, messages.timestamps, strict=True
    ):
        try:
            item_id, item, flaws = item_change(key, value, stamp, rules)
        except ContractError as error:
            rejected.append(Rejected(offset, stamp, error.reason, error.detail, value or b"", key))
            continue
        changes.append(ItemChange(offset, stamp, item_id, item))
        left_out.extend(LeftOut(offset, stamp, *flaw) for flaw in flaws)
    return Decoded(ItemBatch(span, changes), rejected, left_out)


def decode_impressions(messages: Messages, span: Span, rules: IngestSettings) -> Decoded[ImpressionBatch]:
    """Read a batch of `impressions`; as `decode_interactions`."""
    rows = _impressions.read_all(messages, rules)
    shown = rows.records
    propensities = [p for s in shown for p in (s.propensities or (np.nan,) * len(s.items))]
    batch = ImpressionBatch(
        span=span,
        offsets=np.array(rows.offsets, np.int64),
        broker_ts=np.array(rows.broker_ts, np.int64),
        ts=np.array([s.ts for s in shown], np.float64),
        users=IdColumn.of([s.user_id for s in shown]),
        slate_ids=IdColumn.of([s.slate_id for s in shown]),
        scenarios=[s.scenario for s in shown],
        variants=[s.variant or "" for s in shown],
        experiments=[s.experiment or "" for s in shown],
        teams=[s.teams or () for s in shown],
        items=IdColumn.of([item for s in shown for item in s.items]),
        item_ends=np.cumsum([len(s.items) for s in shown], dtype=np.int64),
        propensities=np.array(propensities, np.float32),
    )
    return Decoded(batch, rows.rejected, rows.left_out)


def read_interactions(messages: Messages, rules: IngestSettings) -> Rows[Interaction]:
    """Read messages of `events` as records, whole: what `decode_interactions` lets in, and with the same parts."""
    if len(messages.values) >= _BULK_RECORDS:
        good = _all_good(messages, _NOWHERE, rules)
        if good is not None:
            return Rows(list(messages.offsets), list(messages.timestamps), good[0])
    return _interactions.read_all(messages, rules)


def read_impressions(messages: Messages, rules: IngestSettings) -> Rows[Impression]:
    """Read messages of `impressions` as records; as `read_interactions`."""
    return _impressions.read_all(messages, rules)


def records_of(
    kind: type[R], check: Callable[[R, int, IngestSettings], None]
) -> Callable[[Messages, Span, IngestSettings], Decoded[RecordBatch[R]]]:
    """A reader of batches whose records stay as they are; else as `decode_interactions`.

    Args:
        kind: of the records.
        check: judges one; raises ContractError.
    """
    reader = Reader(kind, check)

    def decode_records(messages: Messages, span: Span, rules: IngestSettings) -> Decoded[RecordBatch[R]]:
        rows = reader.read_all(messages, rules)
        batch = RecordBatch(
            span=span,
            offsets=np.array(rows.offsets, np.int64),
            broker_ts=np.array(rows.broker_ts, np.int64),
            records=rows.records,
        )
        return Decoded(batch, rows.rejected, rows.left_out)

    return decode_records


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
        truncated=len(rejected.raw) > limit or len(rejected.key or b"") > limit,
        key=None if rejected.key is None else rejected.key[:limit],
    )


def _all_good(
    messages: Messages, span: Span, rules: IngestSettings
) -> tuple[list[Interaction], EventBatch] | None:
    """The records, and as a batch, if every one is good, checked in bulk; None if one may not be."""
    values: list[bytes] = messages.values  # type: ignore[assignment]  # what is none, or empty, raises below
    try:
        text = b"\n".join(values)
        if len(text) > rules.max_record_bytes and max(map(len, values)) > rules.max_record_bytes:
            return None
        text.decode()
        events = list(map(_interactions.decode, values))
        batch = _event_columns(events, messages.offsets, messages.timestamps, span)
    except (*UNREADABLE, TypeError):
        return None
    is_good = (
        _ids_good(batch.users, rules, is_required=True)
        and _ids_good(batch.items, rules, is_required=True)
        and _ids_good(batch.sessions, rules)
        and _ids_good(batch.event_ids, rules)
        and _ids_good(batch.slate_ids, rules)
        and _ts_good(batch, rules)
        and _rest_good(events, rules)
    )
    return (events, batch) if is_good else None


def _event_columns(
    events: Sequence[Interaction], offsets: Sequence[int], broker_ts: Sequence[int], span: Span
) -> EventBatch:
    return EventBatch(
        span=span,
        offsets=_offsets(offsets),
        broker_ts=np.array(broker_ts, np.int64),
        ts=np.array([e.ts for e in events], np.float64),
        users=IdColumn.of([e.user_id for e in events]),
        items=IdColumn.of([e.item_id for e in events]),
        sessions=IdColumn.of([e.session_id or "" for e in events]),
        event_ids=IdColumn.of([e.event_id or "" for e in events]),
        event_types=[e.event_type for e in events],
        values=_values([e.value for e in events]),
        context_tags=_context_tags([e.context for e in events]),
        slate_ids=_rare_ids([e.slate_id for e in events]),
    )


def _offsets(offsets: Sequence[int]) -> NDArray[np.int64]:
    n = len(offsets)
    if n and offsets[-1] - offsets[0] == n - 1:  # they ascend: none is missing
        return np.arange(offsets[0], offsets[0] + n, dtype=np.int64)
    return np.array(offsets, np.int64)


def _values(values: Sequence[float | None]) -> NDArray[np.float32]:
    """NaN where there is none."""
    if values.count(None) == len(values):
        return np.full(len(values), np.nan, np.float32)
    with np.errstate(over="ignore"):  # what is too large for 32 bits is rejected by the caller
        return np.array(values, np.float64).astype(np.float32)  # null is NaN


def _rare_ids(ids: Sequence[str | None]) -> IdColumn:
    if ids.count(None) == len(ids):
        return IdColumn.none(len(ids))
    return IdColumn.of([each or "" for each in ids])


def _context_tags(contexts: Sequence[Context | None]) -> IdColumn:
    """What the contexts name under `tag`, as text; what is no text there names nothing."""
    if contexts.count(None) == len(contexts):
        return IdColumn.none(len(contexts))
    tags = [context.get("tag") if context else None for context in contexts]
    return IdColumn.of([tag if isinstance(tag, str) else "" for tag in tags])


def _rest_good(events: Sequence[Interaction], rules: IngestSettings) -> bool:
    """Types, contexts and values."""
    try:
        for event_type in {e.event_type for e in events}:
            required("event_type", event_type, rules)
    except ContractError:
        return False
    return all(
        (e.value is None or abs(e.value) <= FLOAT32_MAX)
        and (not e.context or len(e.context) <= rules.max_context_entries)
        for e in events
        if e.value is not None or e.context
    )


def _ids_good(ids: IdColumn, rules: IngestSettings, *, is_required: bool = False) -> bool:
    lengths = ids.ends.copy()
    lengths[1:] -= ids.ends[:-1]
    if lengths.max(initial=0) > rules.max_id_bytes or (is_required and not lengths.all()):
        return False
    return b"\0" not in ids.data.tobytes()


def _ts_good(batch: EventBatch, rules: IngestSettings) -> bool:
    if not len(batch):
        return True
    if not (batch.ts.min() >= 0 and batch.ts.max() < TS_END):
        return False
    ahead = np.where(batch.broker_ts < 0, 0.0, batch.ts - batch.broker_ts / 1000)
    late = rules.max_lateness_seconds > 0 and -ahead.min() > rules.max_lateness_seconds
    return bool(ahead.max() <= rules.max_future_seconds and not late)
