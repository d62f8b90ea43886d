"""What a dead letter's producer probably did: a hint for people, made from the raw message. Never raises."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from stream_rec.schemas.records import (
    Control,
    Impression,
    Interaction,
    Item,
    PublishedRecord,
    TopicName,
    Vector,
)

_KINDS: Mapping[TopicName, type[PublishedRecord]] = {
    "events": Interaction,
    "items": Item,
    "impressions": Impression,
    "control": Control,
    "vectors": Vector,
}
_ALIASES = {
    "user_id": "user uid userid visitor visitorid customer customerid client clientid anonymousid profileid member "
    "memberid",
    "item_id": "item itemid product productid article articleid content contentid sku movie movieid video videoid "
    "track trackid object objectid asset",
    "event_type": "event type action eventname name verb eventtype interaction interactiontype kind",
    "ts": "timestamp time eventtime eventts datetime date createdat created occurredat timestampms tsms",
    "slate_id": "slate slateid recommendationid requestid listid impressionid",
    "space": "namespace model modelname index",
    "values": "vector embedding embeddings features factors data",
    "items": "itemids itemid products productids shown list slateitems",
}
"""How others call a field, in lower case and without separators."""
_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xfe", "UTF-16? write UTF-8"),
    (b"\xfe\xff", "UTF-16? write UTF-8"),
    (b"\x1f\x8b", "gzip? let the producer compress (compression.type), not the application"),
    (b"\x28\xb5\x2f\xfd", "zstd? let the producer compress (compression.type), not the application"),
    (b"Obj\x01", "an Avro file? publish each record as JSON"),
    (b"PAR1", "a Parquet file? publish each record as JSON (`stream-rec replay FILE` reads such files)"),
    (b"\xac\xed\x00\x05", "Java serialization? publish JSON"),
    (b"\x80\x04", "a Python pickle? publish JSON"),
    (b"\x80\x05", "a Python pickle? publish JSON"),
    (b"<", "XML? publish JSON"),
)
_MAGIC_BYTES = 5
_NEAR = 0.8
_SAMPLE_CHARACTERS = 120
_LONGEST_RAW = 65_536
"""Of a longer message only so much is looked at."""
_UNITS = ((1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds"))
_PLAUSIBLE = (3e8, 7e9)
"""Seconds since the epoch of the years 1979 to 2191."""
_ZONE_SLACK_SECONDS = 180.0


def hint(
    topic: TopicName, reason: str, detail: str, raw: bytes, key: bytes | None = None, shape: str = "NAME"
) -> str:
    """What is probably wrong, in a line; empty if nothing comes to mind.

    Args:
        topic: that the message was on.
        reason: code of `validation.REASONS`.
        detail: of the error.
        raw: the message, or its beginning.
        key: its key.
        shape: by which the bridge reads the topic, if it is another's.
    """
    raw = raw[:_LONGEST_RAW]
    try:
        if topic not in _KINDS:
            return _foreign(topic, reason, raw, shape)
        if reason in ("not_json", "not_utf8"):
            return _format(raw)
        if topic == "control" and reason in _CONTROL:
            return _CONTROL[reason]
        if topic == "vectors" and reason in ("missing_key", "key_mismatch"):
            return "the key must be the space, a slash and the item_id, as plain text: <space>/<item_id>"
        if reason in _PLAIN:
            return _PLAIN[reason]
        if reason == "key_mismatch":
            return _key(key or b"")
        found = json.loads(raw)
        if not isinstance(found, dict):
            return _no_object(found)
        return _record(topic, reason, detail, found)
    except (ValueError, RecursionError, OverflowError):
        return ""


def _foreign(topic: str, reason: str, raw: bytes, shape: str) -> str:
    """Of a message that the bridge could not map."""
    if reason == "not_json" and raw[:1] == b"\0" and len(raw) > _MAGIC_BYTES:
        return "it seems to name a schema of a registry: set framing = 'confluent' in its shape"
    if reason in _FOREIGN:
        return _FOREIGN[reason]
    return f"`stream-rec shape try {topic} --shape {shape}` shows what its messages become"


def sample(raw: bytes) -> str:
    """The beginning of a message with its content masked: letters become `a`, digits `9`; names of fields stay."""
    text = raw[:_LONGEST_RAW].decode(errors="backslashreplace")
    try:
        shown = json.dumps(_masked(json.loads(text)), ensure_ascii=True)
    except (ValueError, RecursionError):
        shown = _shape(ascii(text[:_SAMPLE_CHARACTERS])[1:-1])
    return shown if len(shown) <= _SAMPLE_CHARACTERS else f"{shown[:_SAMPLE_CHARACTERS]}..."


def _shape(text: str) -> str:
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text))


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[:40]: _masked(entry) for name, entry in list(value.items())[:20]}
    if isinstance(value, list):
        return [_masked(entry) for entry in value[:5]]
    if isinstance(value, str):
        return _shape(value[:40])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _shape(repr(value))
    return value


_FOREIGN = {
    "not_confluent": "it names no schema: does somebody else write to the topic, without the registry?",
    "unknown_schema": "does registry.url name the registry of its producer?",
    "ts_out_of_range": "times of another unit? set `unit` in its shape; `earliest` if they are that old",
    "id_too_long": "raise ingest.max_id_bytes, for the workers, too",
    "record_too_large": "name fewer context fields in its shape, or raise ingest.max_record_bytes",
}
_CONTROL = {
    "bad_body": "the former decision stays in force; `stream-rec scenario apply` finds mistakes before it publishes",
    "missing_key": "send <kind>/<name> as the key: the topic is compacted by it",
    "key_mismatch": "the key is <kind>/<name>, as in the record",
    "bad_id": "the key is <kind>/<name>, such as scenario/home",
}
_PLAIN = {
    "empty_value": "an empty value removes an item or a vector, by its key; on other topics it says nothing",
    "missing_key": "send the item_id as the key: the topic is compacted by it",
    "empty_id": "send the visitor's or session's id for who has no account",
    "record_too_large": "keep large texts and pictures out of records, or raise ingest.max_record_bytes",
    "ts_too_late": "older than ingest.max_lateness_seconds lets in: raise it to import the past",
    "bad_space": "the key is <space>/<item_id>; name a space like a model: text-minilm-v2",
    "reserved_space": "choose another name: `content` is made from titles, tags and descriptions",
    "dimension_mismatch": "vectors of another model? give them a space of their own, or remove the old ones first",
    "too_many_spaces": "raise engine.max_spaces on all workers, or remove all vectors of a space that is not needed",
    "id_too_long": "send a shorter id (a hash of it), or raise ingest.max_id_bytes",
}


def _format(raw: bytes) -> str:
    if raw[:1] == b"\x00" and len(raw) >= _MAGIC_BYTES:
        number = int.from_bytes(raw[1:_MAGIC_BYTES], "big")
        kind = "JSON Schema" if raw[_MAGIC_BYTES : _MAGIC_BYTES + 1] in (b"{", b"[") else "Avro or Protobuf"
        return (
            f"{kind} in Confluent's wire format (magic byte 0, schema {number})? use a JSON serializer without a "
            "schema registry"
        )
    for start, said in _FORMATS:
        if raw.startswith(start):
            return said
    text = raw.decode(errors="replace").strip()
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines[:3]):
        return "several records in one message? send one message for each"
    if re.match(r"[{\[]\s*'", text) or re.search(r":\s*(None|True|False)\b", text):
        return "a Python object as text? use json.dumps"
    if re.match(r"\{\s*\w+\s*:", text):
        return "names of fields must stand in double quotes: use a JSON library"
    if re.match(r"[\w.]+=[^&]*(&[\w.]+=[^&]*)+$", text):
        return "a form (a=b&c=d)? publish JSON"
    if text[:1] in ("{", "[") and text[-1:] not in ("}", "]"):
        return "the message is cut off: is it longer than what the producer allows?"
    if re.search(r",\s*[}\]]", text):
        return "a comma before a closing bracket is no JSON: use a JSON library"
    if "," in text and text[:1] not in ("{", "[", '"'):
        return "CSV? publish JSON (`stream-rec replay FILE` reads CSV files)"
    return "publish JSON: `stream_rec.Publisher` does, and docs/cookbook.md shows other languages"


def _no_object(found: Any) -> str:
    if isinstance(found, list):
        return "a list: send one message for each record"
    if isinstance(found, str):
        inner = json.loads(found)
        return "JSON inside of a JSON text: it was encoded twice" if isinstance(inner, dict) else ""
    return ""


def _key(key: bytes) -> str:
    if key[:1] == b'"':
        return "the key is JSON, in quotes: use a plain string serializer for keys"
    if key[:1] == b"\x00":
        return "the key is in Confluent's wire format: use a plain string serializer for keys"
    return "the key must be the item_id, as plain text"


def _record(topic: TopicName, reason: str, detail: str, found: dict[str, Any]) -> str:
    kind = _KINDS.get(topic)
    required = [field.name for field in msgspec.structs.fields(kind) if field.required] if kind else []
    missing = [name for name in required if found.get(name) is None]
    if reason == "missing_field":
        return _missing(topic, required, missing, found)
    if reason.startswith("ts_") or (reason == "wrong_type" and detail.startswith("`ts`")):
        return _time(reason, found.get("ts"))
    if reason == "wrong_type":
        if topic == "vectors":
            return "`values` is a list of numbers, without NaN or null"
        return _wrong_type(detail)
    return ""


def _wrong_type(detail: str) -> str:
    field = detail.split("`")[1] if detail.count("`") > 1 else ""
    if field == "available":
        return "true or false, or a word of product feeds (IN_STOCK, sold out); a shape tells any other"
    if field == "hidden":
        return "true or false"
    if field.startswith("available_"):
        return "seconds since 1970 (UTC), or a date as ISO 8601 writes it"
    if field.endswith("_id") or field in ("user", "item", "items"):
        return "an id is text or a number, `items` a list of ids: see the JSON Schema in schemas/json"
    return ""


def _missing(topic: TopicName, required: list[str], missing: list[str], found: dict[str, Any]) -> str:
    if other := _belongs_to(topic, found):
        return f"this looks like a record of `{other}`"
    if nested := _nested(required, found):
        return nested
    near = {name: same for name in missing if (same := _near(name, found, required))}
    if near:
        listed = ", ".join(f"`{same}` must be `{name}`" for name, same in near.items())
        return f"the field is called `{next(iter(near.values()))}`: {listed}"
    null = [name for name in missing if name in found]
    return f"`{null[0]}` is null" if null else ""


def _belongs_to(topic: TopicName, found: dict[str, Any]) -> str:
    """Another topic whose record this would be, whole."""
    for name, kind in _KINDS.items():
        required = [field.name for field in msgspec.structs.fields(kind) if field.required]
        if name != topic and len(required) > 1 and all(found.get(field) is not None for field in required):
            return name
    return ""


def _nested(required: list[str], found: dict[str, Any]) -> str:
    """The record stands inside of an envelope: Connect's, Debezium's, CloudEvents', one's own."""
    for path, inner in _objects(found):
        if sum(_has(name, inner, required) for name in required) > sum(
            _has(name, found, required) for name in required
        ):
            if path == "payload" and "schema" in found:
                return "Kafka Connect's envelope: set value.converter.schemas.enable=false"
            return f"the record stands under `{path}`: publish only what is in there"
    return ""


def _objects(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in list(found.items())[:50]:
        inner = value
        if isinstance(value, str) and value[:1] == "{":
            try:
                inner = json.loads(value)
            except (ValueError, RecursionError):
                continue
        if isinstance(inner, dict):
            yield name, inner
            deeper = ((f"{name}.{n}", v) for n, v in list(inner.items())[:50] if isinstance(v, dict))
            yield from deeper


def _has(name: str, found: dict[str, Any], required: list[str]) -> bool:
    return found.get(name) is not None or bool(_near(name, found, required))


def _near(name: str, found: dict[str, Any], required: list[str]) -> str:
    """The field that was probably meant to be `name`."""
    plain = {_bare(given): given for given in list(found)[:50] if given not in required}
    for wanted in (_bare(name), *_ALIASES.get(name, "").split()):
        if wanted in plain:
            return plain[wanted]
    close = difflib.get_close_matches(_bare(name), plain, 1, _NEAR)
    return plain[close[0]] if close else ""


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _time(reason: str, ts: Any) -> str:
    if isinstance(ts, str) and re.match(r"\d{4}-\d\d", ts):
        return "a date as text: ts is a number, seconds since 1970 (UTC)"
    number = float(ts) if isinstance(ts, (int, float, str)) else 0.0
    for factor, unit in _UNITS:
        if _PLAUSIBLE[0] < number / factor < _PLAUSIBLE[1]:
            return f"{unit}? ts is in seconds: divide by {factor:,.0f}"
    if reason == "ts_in_future":
        return "local time taken for UTC, or a clock that is ahead? else raise ingest.max_future_seconds"
    return "ts is a number, seconds since 1970 (UTC)"
