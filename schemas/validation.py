"""What a record must satisfy beyond its types, and the reason codes of everything that is not let in or left out."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from itertools import islice

import numpy as np

from stream_rec.errors import ContractError
from stream_rec.schemas.records import DEFAULT_SCENARIO, Impression, Interaction, Item
from stream_rec.settings import IngestSettings

REASONS: dict[str, str] = {
    "empty_value": "the message has no value, or null (on `items`, with a key, that removes the item and is no error)",
    "record_too_large": "the value is longer than `ingest.max_record_bytes`",
    "message_too_large": "a publisher's record is longer than `bus.max_message_bytes`; it was not sent",
    "not_utf8": "the value is not UTF-8",
    "not_json": "the value is not JSON, or something follows it",
    "too_deep": "the JSON is nested too deeply to be read",
    "missing_field": "a required field is not there, or null",
    "wrong_type": "what stands in a field cannot be what the record says",
    "empty_id": "a required id or name is empty",
    "id_too_long": "an id or name is longer than `ingest.max_id_bytes`",
    "bad_id": "an id or name holds a NUL character or half a surrogate pair",
    "ts_out_of_range": "ts is not a finite number of seconds between 1970 and the year 9999 (milliseconds?)",
    "ts_in_future": "ts is more than `ingest.max_future_seconds` after the broker's timestamp",
    "ts_too_late": "ts is more than `ingest.max_lateness_seconds` before the broker's timestamp",
    "value_out_of_range": "value is not a finite 32-bit float",
    "too_many_entries": "context, tags or items has more entries than its limit in `ingest`",
    "missing_key": "a message of a compacted topic has no key",
    "key_mismatch": "the key of an item is not its item_id",
    "propensity_mismatch": "propensities are not one per item, each in (0, 1]",
}
"""Every reason code and its meaning. Codes are metric labels: stable, never renamed."""

TS_END = 253_402_300_800.0
"""First second of the year 10000: no event time, but every present time in milliseconds, is beyond it."""


class Unusable(ContractError):
    """An optional part breaks a rule: readers leave it out and take the rest, publishers refuse the record.

    Args:
        reason, detail: as of a ContractError.
        field: the part.
        instead: what can stand in its place: what is good of it, or what stands for "not given".
    """

    def __init__(self, reason: str, detail: str, *, field: str, instead: object) -> None:
        super().__init__(reason, detail)
        self.field = field
        self.instead = instead


FLOAT32_MAX = float(np.finfo(np.float32).max)


def check_interaction(event: Interaction, broker_ts: int, rules: IngestSettings) -> None:
    """Judge one interaction.

    Args:
        event: decoded.
        broker_ts: the broker's timestamp of the record in ms; negative = unknown: ts is not judged by it.
        rules: the limits.

    Raises:
        ContractError: the first rule it breaks.
    """
    required("user_id", event.user_id, rules)
    required("item_id", event.item_id, rules)
    required("event_type", event.event_type, rules)
    _optional("session_id", event.session_id, rules)
    _optional("event_id", event.event_id, rules)
    _ts(event.ts, broker_ts, rules)
    if event.value is not None and not abs(event.value) <= FLOAT32_MAX:
        detail = f"value is {event.value!r}"
        raise Unusable("value_out_of_range", detail, field="value", instead=None)
    if event.context is not None and len(event.context) > rules.max_context_entries:
        first = dict(islice(event.context.items(), rules.max_context_entries))
        raise _too_many("context", len(event.context), first)


def check_item(item: Item, broker_ts: int, rules: IngestSettings) -> None:
    """Judge one item; arguments and errors as `check_interaction`."""
    required("item_id", item.item_id, rules)
    try:
        if item.ts:
            _ts(item.ts, broker_ts, rules)
    except ContractError as error:
        raise Unusable(error.reason, error.detail, field="ts", instead=0.0) from None
    if bad := _first_bad("a tag", item.tags, rules):
        good = tuple(tag for tag in item.tags if not _first_bad("a tag", (tag,), rules))
        raise Unusable(bad.reason, bad.detail, field="tags", instead=good)
    if len(item.tags) > rules.max_item_tags:
        raise _too_many("tags", len(item.tags), item.tags[: rules.max_item_tags])


def check_impression(shown: Impression, broker_ts: int, rules: IngestSettings) -> None:
    """Judge one impression; arguments and errors as `check_interaction`."""
    required("slate_id", shown.slate_id, rules)
    required("user_id", shown.user_id, rules)
    _ts(shown.ts, broker_ts, rules)
    if bad := _first_bad("scenario", (shown.scenario,), rules):
        raise Unusable(bad.reason, bad.detail, field="scenario", instead=DEFAULT_SCENARIO)
    _optional("variant", shown.variant, rules)
    if bad := _first_bad("an item", shown.items, rules):
        good = tuple(item for item in shown.items if not _first_bad("an item", (item,), rules))
        raise Unusable(bad.reason, bad.detail, field="items", instead=good)
    if len(shown.items) > rules.max_impression_items:
        raise _too_many("items", len(shown.items), shown.items[: rules.max_impression_items])
    if shown.propensities is not None:
        n_items, n_propensities = len(shown.items), len(shown.propensities)
        if n_items != n_propensities or not all(0 < p <= 1 for p in shown.propensities):
            detail = f"{n_items} items, {n_propensities} propensities"
            raise Unusable("propensity_mismatch", detail, field="propensities", instead=None)


def check_id(field: str, text: str, rules: IngestSettings) -> None:
    """Judge one id or name that is not empty.

    Raises:
        ContractError: `bad_id` or `id_too_long`.
    """
    try:
        n_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise ContractError("bad_id", f"{field} holds half a surrogate pair") from None
    if n_bytes > rules.max_id_bytes:
        raise ContractError("id_too_long", f"{field} has {n_bytes} bytes, {rules.max_id_bytes} are allowed")
    if "\0" in text:
        raise ContractError("bad_id", f"{field} holds a NUL character")


def required(field: str, text: str, rules: IngestSettings) -> None:
    """Judge one id or name that must be given.

    Raises:
        ContractError: `empty_id`, or as `check_id`.
    """
    if not text:
        raise ContractError("empty_id", f"{field} is empty")
    check_id(field, text, rules)


def _optional(field: str, text: str | None, rules: IngestSettings) -> None:
    if text and (bad := _first_bad(field, (text,), rules)):
        raise Unusable(bad.reason, bad.detail, field=field, instead=None)


def _first_bad(field: str, ids: Iterable[str], rules: IngestSettings) -> ContractError | None:
    """What is wrong with the first id or name that is no good."""
    try:
        for one in ids:
            required(field, one, rules)
    except ContractError as error:
        return error
    return None


def _ts(ts: float, broker_ts: int, rules: IngestSettings) -> None:
    if not 0 <= ts < TS_END:
        raise ContractError("ts_out_of_range", f"ts is {ts!r}")
    if broker_ts < 0:
        return
    ahead = ts - broker_ts / 1000
    if ahead > rules.max_future_seconds:
        raise ContractError("ts_in_future", f"ts is {ahead:.3f} s after the broker's timestamp")
    if rules.max_lateness_seconds and -ahead > rules.max_lateness_seconds:
        raise ContractError("ts_too_late", f"ts is {-ahead:.3f} s before the broker's timestamp")


def _too_many(field: str, n: int, first: Sized) -> Unusable:
    detail = f"{field} has {n} entries, {len(first)} are allowed"
    return Unusable("too_many_entries", detail, field=field, instead=first)
