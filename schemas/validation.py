"""What a record must satisfy beyond its types, and the reason codes of everything that is not let in or left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized
from itertools import islice

import numpy as np

from stream_rec.errors import ContractError
from stream_rec.schemas.records import (
    CONTENT,
    DEFAULT_SCENARIO,
    Attributes,
    AttributeValue,
    Impression,
    Interaction,
    Item,
    Vector,
)
from stream_rec.settings import IngestSettings

REASONS: dict[str, str] = {
    "empty_value": "the message has no value, or null (on compacted topics, with a key, that removes and is no error)",
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
    "value_out_of_range": "value, price or an attribute is no finite number, or too large (value, price: for 32 bits)",
    "too_many_entries": "context, tags, attributes, a list in these, or items has more entries than `ingest` allows",
    "text_too_long": "a title, description, image, link or attribute is longer than its limit in `ingest`",
    "bad_window": "available_until is before available_from: the item is not shown",
    "missing_key": "a message of a compacted topic has no key",
    "key_mismatch": "the key is not what the record says: an item's id, a vector's space and item, a decision's name",
    "bad_body": "the body of a decision on `control` is not what its kind says",
    "propensity_mismatch": "propensities are not one per item, each in (0, 1]",
    "team_mismatch": "teams are not one per item",
    "bad_space": "the name of a vector space is not 1 to 64 letters, digits, '.', '_' and '-'",
    "reserved_space": "the vector space `content` is made from the catalogue, not from records",
    "bad_vector": "a vector has no number, more than `ingest.max_vector_numbers`, one too large for 32 bits, or only 0",
    "dimension_mismatch": "a vector is not as long as the others of its space",
    "too_many_spaces": "`engine.max_spaces` vector spaces are in use",
}
"""Every reason code and its meaning. Codes are metric labels: stable, never renamed."""

_SPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)

TS_BEGIN = -62_135_596_800.0
"""First second of the year 1: no date is before it."""
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
FLOAT64_MAX = float(np.finfo(np.float64).max)


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
    _optional("slate_id", event.slate_id, rules)
    _ts(event.ts, broker_ts, rules)
    if event.value is not None and not abs(event.value) <= FLOAT32_MAX:
        detail = f"value is {event.value!r}"
        raise Unusable("value_out_of_range", detail, field="value", instead=None)
    if event.context is not None and len(event.context) > rules.max_context_entries:
        first = dict(islice(event.context.items(), rules.max_context_entries))
        raise _too_many("context", len(event.context), first)


def check_item(item: Item, broker_ts: int, rules: IngestSettings) -> None:  # noqa: ARG001 - as all checks
    """Judge one item; arguments and errors as `check_interaction`. Its dates may be of any time."""
    required("item_id", item.item_id, rules)
    _window(item)
    if not _is_date(item.ts):
        raise Unusable("ts_out_of_range", f"ts is {item.ts!r}", field="ts", instead=0.0)
    if item.price is not None and not abs(item.price) <= FLOAT32_MAX:
        detail = f"price is {item.price!r}"
        raise Unusable("value_out_of_range", detail, field="price", instead=None)
    _optional("owner", item.owner, rules)
    _texts(item, rules)
    if bad := _first_bad("a tag", item.tags, rules):
        good = tuple(tag for tag in item.tags if not _first_bad("a tag", (tag,), rules))
        raise Unusable(bad.reason, bad.detail, field="tags", instead=good)
    if len(item.tags) > rules.max_item_tags:
        raise _too_many("tags", len(item.tags), item.tags[: rules.max_item_tags])
    if item.attributes:
        _attributes(item.attributes, rules)


def _is_date(ts: float) -> bool:
    return TS_BEGIN <= ts < TS_END


def _window(item: Item) -> None:
    """When the item may be shown: what cannot be that is no default's to decide."""
    opens, closes = item.available_from, item.available_until
    for field, ts in (("available_from", opens), ("available_until", closes)):
        if ts is not None and not _is_date(ts):
            raise ContractError("ts_out_of_range", f"{field} is {ts!r}")
    if opens is not None and closes is not None and closes < opens:
        detail = f"available_from is {opens!r}, available_until {closes!r}"
        raise Unusable("bad_window", detail, field="available_until", instead=opens)


def _texts(item: Item, rules: IngestSettings) -> None:
    """Texts for people: of those that are too long the beginning, of addresses nothing."""
    limit = rules.max_item_text_bytes
    for field, text in (
        ("title", item.title),
        ("description", item.description),
        ("image", item.image),
        ("link", item.link),
    ):
        if text and len(text) * 4 > limit and (n_bytes := len(text.encode(errors="replace"))) > limit:
            beginning = text.encode(errors="replace")[:limit].decode(errors="ignore")
            detail = f"{field} has {n_bytes} bytes, {limit} are allowed"
            instead = beginning if field in ("title", "description") else None
            raise Unusable("text_too_long", detail, field=field, instead=instead)


def _attributes(given: Attributes, rules: IngestSettings) -> None:
    """Those that are good are taken, the first `max_item_attributes` of them."""
    good: Attributes = {}
    bad: ContractError | None = None
    for name, value in given.items():
        try:
            required("an attribute's name", name, rules)
            _attribute(name, value, rules)
        except Unusable as part:
            bad, good[name] = bad or part, part.instead  # type: ignore[assignment]  # a value, as `_attribute` says
        except ContractError as error:
            bad = bad or error
        else:
            good[name] = value
    if bad is not None:
        raise Unusable(bad.reason, bad.detail, field="attributes", instead=good)
    if len(given) > rules.max_item_attributes:
        raise _too_many("attributes", len(given), dict(islice(given.items(), rules.max_item_attributes)))


def _attribute(name: str, value: AttributeValue | None, rules: IngestSettings) -> None:
    """Judge the value of one attribute.

    Raises:
        Unusable: a part of a list can be taken.
        ContractError: nothing can.
    """
    if not isinstance(value, tuple):
        if value is not None:
            _scalar(name, value, rules)
        return
    good = tuple(_good(name, value, rules))
    if len(good) < len(value):
        try:
            for each in value:
                _scalar(name, each, rules)
        except ContractError as error:
            raise Unusable(error.reason, error.detail, field=name, instead=good) from None
    if len(value) > rules.max_attribute_values:
        raise _too_many(name, len(value), value[: rules.max_attribute_values])


def _good(
    name: str, values: Iterable[str | int | float | bool], rules: IngestSettings
) -> Iterator[str | int | float | bool]:
    for each in values:
        try:
            _scalar(name, each, rules)
        except ContractError:
            continue
        yield each


def _scalar(name: str, value: str | int | float | bool, rules: IngestSettings) -> None:
    if not isinstance(value, str):
        if not abs(value) <= FLOAT64_MAX:
            raise ContractError("value_out_of_range", f"{name} is {value!r}")
        return
    try:
        n_bytes = len(value.encode())
    except UnicodeEncodeError:
        raise ContractError("bad_id", f"{name} holds half a surrogate pair") from None
    if n_bytes > rules.max_attribute_bytes:
        detail = f"{name} has {n_bytes} bytes, {rules.max_attribute_bytes} are allowed"
        raise ContractError("text_too_long", detail)


def check_impression(shown: Impression, broker_ts: int, rules: IngestSettings) -> None:
    """Judge one impression; arguments and errors as `check_interaction`."""
    required("slate_id", shown.slate_id, rules)
    required("user_id", shown.user_id, rules)
    _ts(shown.ts, broker_ts, rules)
    if bad := _first_bad("scenario", (shown.scenario,), rules):
        raise Unusable(bad.reason, bad.detail, field="scenario", instead=DEFAULT_SCENARIO)
    _optional("variant", shown.variant, rules)
    _optional("experiment", shown.experiment, rules)
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
    if shown.teams is not None and len(shown.teams) != len(shown.items):
        detail = f"{len(shown.items)} items, {len(shown.teams)} teams"
        raise Unusable("team_mismatch", detail, field="teams", instead=None)


def check_vector(vector: Vector, _broker_ts: int, rules: IngestSettings) -> None:
    """Judge one vector by itself; arguments and errors as `check_interaction`."""
    check_space(vector.space)
    if vector.space == CONTENT:
        raise ContractError("reserved_space", f"the space {CONTENT} is made from the catalogue")
    required("item_id", vector.item_id, rules)
    n = len(vector.values)
    if not 1 <= n <= rules.max_vector_numbers:
        raise ContractError("bad_vector", f"{n} numbers, 1 to {rules.max_vector_numbers} are allowed")
    with np.errstate(over="ignore"):
        values = np.array(vector.values, np.float32)
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ContractError("bad_vector", f"number {at} is {vector.values[at]!r}")
    if not values.any():
        raise ContractError("bad_vector", "all numbers are 0: the vector has no direction")


def check_space(name: str) -> None:
    """Judge the name of a vector space.

    Raises:
        ContractError: `bad_space`.
    """
    if not _SPACE.fullmatch(name):
        raise ContractError("bad_space", f"space is {name[:80]!a}")


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
