"""One event at a time with the standard library's parser: slow, obvious, and independent of the codec."""

from __future__ import annotations

import json
import math
from typing import Any

from stream_rec.settings import IngestSettings

FLOAT32_MAX = 3.4028234663852886e38


class Refused(Exception):
    """Carries the reason code."""


def read(raw: bytes | None, broker_ts: int, rules: IngestSettings) -> dict[str, Any]:
    """The event as a dict with every field of Interaction.

    Raises:
        Refused: it is none.
    """
    if raw is None or raw == b"":
        raise Refused("empty_value")
    if len(raw) > rules.max_record_bytes:
        raise Refused("record_too_large")
    event = _parse(raw)
    if not isinstance(event, dict):
        raise Refused("wrong_type")
    for field in ("user_id", "item_id", "event_type", "ts"):
        if field not in event:
            raise Refused("missing_field")
    _types(event)
    _limits(event, broker_ts, rules)
    return {
        "user_id": event["user_id"],
        "item_id": event["item_id"],
        "event_type": event["event_type"],
        "ts": float(event["ts"]),
        "session_id": event.get("session_id") or "",
        "event_id": event.get("event_id") or "",
        "value": event.get("value"),
    }


def _parse(raw: bytes) -> Any:
    def no_constants(name: str) -> None:
        raise ValueError(name)

    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not_utf8") from None
    try:
        return json.loads(text, parse_constant=no_constants)
    except ValueError:
        raise Refused("not_json") from None


def _types(event: dict[str, Any]) -> None:
    for field in ("user_id", "item_id", "event_type"):
        if not isinstance(event[field], str):
            raise Refused("wrong_type")
    for field in ("session_id", "event_id"):
        if not isinstance(event.get(field), str | None):
            raise Refused("wrong_type")
    if not _number(event["ts"]) or not (event.get("value") is None or _number(event["value"])):
        raise Refused("wrong_type")
    context = event.get("context")
    if context is not None and not isinstance(context, dict):
        raise Refused("wrong_type")
    for entry in (context or {}).values():
        if not isinstance(entry, str | bool | None) and not _number(entry):
            raise Refused("wrong_type")


def _number(x: Any) -> bool:
    if isinstance(x, bool) or not isinstance(x, int | float):
        return False
    try:
        return math.isfinite(float(x))
    except OverflowError:
        return False


def _limits(event: dict[str, Any], broker_ts: int, rules: IngestSettings) -> None:
    for field in ("user_id", "item_id", "event_type"):
        if not event[field]:
            raise Refused("empty_id")
    for field in ("user_id", "item_id", "event_type", "session_id", "event_id"):
        text = event.get(field) or ""
        if len(text.encode()) > rules.max_id_bytes:
            raise Refused("id_too_long")
        if "\0" in text:
            raise Refused("bad_id")
    if not 0 <= event["ts"] < 253_402_300_800:
        raise Refused("ts_out_of_range")
    if broker_ts >= 0:
        ahead = event["ts"] - broker_ts / 1000
        if ahead > rules.max_future_seconds:
            raise Refused("ts_in_future")
        if rules.max_lateness_seconds > 0 and ahead < -rules.max_lateness_seconds:
            raise Refused("ts_too_late")
    if abs(event.get("value") or 0) > FLOAT32_MAX:
        raise Refused("value_out_of_range")
    if len(event.get("context") or {}) > rules.max_context_entries:
        raise Refused("too_many_entries")
