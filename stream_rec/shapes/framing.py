"""What stands around a record: the envelopes of Connect, Debezium and CloudEvents."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from stream_rec.shapes.messages import RawMessage, Refused
from stream_rec.shapes.values import text_of

DELETED = Refused("deleted", "value", "the row was deleted")
_DAY_MS = 86_400_000


class Unframed(NamedTuple):
    """A record without its frame.

    Attributes:
        body: the record.
        envelope: what the frame says beside it, `@envelope.NAME`.
    """

    body: Any
    envelope: Any


def unwrap(framing: str, document: Any, message: RawMessage) -> Unframed | Refused:
    """The record of a decoded message.

    Args:
        framing: of `ShapeSettings.framing`; `none` and `confluent` have no envelope in the document.
        document: the message's value, decoded.
        message: for its headers.
    """
    return _UNWRAP[framing](document, message)


def _plain(document: Any, _message: RawMessage) -> Unframed:
    return Unframed(document, None)


def _connect(document: Any, _message: RawMessage) -> Unframed | Refused:
    if not isinstance(document, dict):
        return Refused("wrong_type", "value", f"no object: {ascii(document)[:40]}")
    if "payload" not in document or not set(document) <= {"schema", "payload"}:
        return Unframed(document, None)  # schemas.enable = false
    if document["payload"] is None:
        return Refused("tombstone", "value", "the payload is null")
    return Unframed(_typed(document["payload"], document.get("schema")), None)


def _typed(payload: Any, schema: Any) -> Any:
    """Values that only their schema explains: days since the epoch as milliseconds, decimals as numbers."""
    if (
        not isinstance(payload, dict)
        or not isinstance(schema, dict)
        or not isinstance(schema.get("fields"), list)
    ):
        return payload
    out = dict(payload)
    for field in schema["fields"]:
        if not isinstance(field, dict) or not isinstance(name := field.get("field"), str) or name not in out:
            continue
        read = _LOGICAL.get(field.get("name"))
        if read is not None:
            out[name] = read(out[name], field)
        elif isinstance(out[name], dict):
            out[name] = _typed(out[name], field)
    return out


def _date(value: Any, _field: Any) -> Any:
    return value * _DAY_MS if type(value) is int else value


def _decimal(value: Any, field: Any) -> Any:
    """Bytes of an integer in base64, two's complement; the scale is of the schema."""
    parameters = field.get("parameters")
    scale = str(parameters.get("scale")) if isinstance(parameters, dict) else ""
    if type(value) is not str or not scale.removeprefix("-").isdecimal():
        return value  # decimal.format = NUMERIC, or handled as text
    try:
        unscaled = int.from_bytes(base64.b64decode(value, validate=True), signed=True)
    except (binascii.Error, ValueError):
        return value
    return unscaled if scale == "0" else Decimal(unscaled).scaleb(-int(scale))


def _variable_decimal(value: Any, _field: Any) -> Any:
    """Debezium's numbers without a declared scale, such as Oracle's NUMBER: {scale, value}."""
    if not isinstance(value, dict):
        return value
    return _decimal(value.get("value"), {"parameters": value})


_LOGICAL: dict[Any, Callable[[Any, Any], Any]] = {
    "org.apache.kafka.connect.data.Date": _date,
    "io.debezium.time.Date": _date,
    "org.apache.kafka.connect.data.Decimal": _decimal,
    "io.debezium.data.VariableScaleDecimal": _variable_decimal,
}


def _debezium(document: Any, message: RawMessage) -> Unframed | Refused:
    inner = _connect(document, message)
    if isinstance(inner, Refused):
        return inner
    change = inner.body
    if not isinstance(change, dict):
        return Refused("wrong_type", "value", "no change of a row")
    if "op" not in change or not ({"after", "before"} & set(change)):
        if str(change.get("__deleted", "false")).lower() == "true" or change.get("__op") == "d":
            return Unframed(change, {"op": "d"})
        return Unframed(change, {"op": change.get("__op")})  # ExtractNewRecordState
    envelope = {name: value for name, value in change.items() if name not in ("before", "after")}
    row = change.get("after") if change["op"] != "d" else change.get("before")
    if isinstance(row, str):  # MongoDB
        try:
            row = _extended(msgspec.json.decode(row))
        except msgspec.DecodeError:
            return Refused("not_json", "value", "`after` is no JSON")
    if row is None:
        return DELETED if change["op"] in ("d", "t") else Refused("missing_field", "value", "`after` is null")
    return Unframed(row, envelope)


def _extended(value: Any) -> Any:
    """MongoDB's extended JSON as plain values; dates as milliseconds."""
    if isinstance(value, list):
        return [_extended(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name in ("$numberLong", "$numberInt") and isinstance(inner, str):
            return int(inner) if inner.lstrip("-").isdigit() else None
        if name in ("$numberDouble", "$numberDecimal", "$oid", "$uuid"):
            return inner
        if name == "$date":
            return _extended(inner)
    return {name: _extended(inner) for name, inner in value.items()}


def _cloudevents(document: Any, message: RawMessage) -> Unframed | Refused:
    headers = {name.lower(): value for name, value in message.headers.items()}
    if "ce_specversion" in headers:
        return Unframed(document, {n[3:]: text_of(v) for n, v in headers.items() if n.startswith("ce_")})
    if not isinstance(document, dict) or "specversion" not in document:
        return Refused("wrong_type", "value", "no CloudEvent: neither ce_ headers nor `specversion`")
    envelope = {name: value for name, value in document.items() if name not in ("data", "data_base64")}
    if "data_base64" in document:
        try:
            return Unframed(
                msgspec.json.decode(base64.b64decode(document["data_base64"], validate=True)), envelope
            )
        except (binascii.Error, msgspec.DecodeError, TypeError, ValueError):
            return Refused("not_json", "value", "`data_base64` holds no JSON")
    return Unframed(document.get("data"), envelope)


_UNWRAP: dict[str, Callable[[Any, RawMessage], Unframed | Refused]] = {
    "none": _plain,
    "confluent": _plain,
    "connect": _connect,
    "debezium": _debezium,
    "confluent-debezium": _debezium,
    "cloudevents": _cloudevents,
}
