"""One event at a time with the standard library's parser: slow, obvious, and independent of the codec."""

from __future__ import annotations

import json
import math
from typing import Any

from stream_rec.settings import IngestSettings

FLOAT32_MAX = 3.4028234663852886e38


class Refused(Exception):
    """Carries the reason code."""


REQUIRED = ("user_id", "item_id", "event_type")
OPTIONAL = ("session_id", "event_id")


def read(raw: bytes | None, broker_ts: int, rules: IngestSettings) -> tuple[dict[str, Any], set[str]]:
    """The event as a dict with every field of Interaction, and the names of the fields that lost something.

    Raises:
        Refused: it is none.
    """
    if raw is None or raw == b"" or raw.strip() == b"null":
        raise Refused("empty_value")
    if len(raw) > rules.max_record_bytes:
        raise Refused("record_too_large")
    event = _parse(raw)
    if not isinstance(event, dict):
        raise Refused("wrong_type")
    event = {field: value for field, value in event.items() if not _is_nothing(field, value)}
    for field in ("user_id", "item_id", "event_type", "ts"):
        if field not in event:
            raise Refused("missing_field")
    lost: set[str] = set()
    out = {field: _required(event[field]) for field in REQUIRED} | {"ts": _required_number(event["ts"])}
    for field in OPTIONAL:
        out[field] = _optional(event.get(field, ""), field, rules, lost)
    _limits(out, broker_ts, rules)
    out["value"] = _value(event, lost)
    _context(event.get("context"), rules, lost)
    return out, lost


def _is_nothing(field: str, value: Any) -> bool:
    """Null, and a blank text where there can be no text."""
    return value is None or (field in ("value", "context") and isinstance(value, str) and not value.strip())


def _parse(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not_utf8") from None
    try:
        return json.loads(text)
    except ValueError:
        raise Refused("not_json") from None


def _text(value: Any) -> str | None:
    """A text, or a number as text; None = neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return f"{value}"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.0f}" if value == math.floor(value) else repr(value)
    if isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value):
        return value
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        sign = value.removeprefix("-")
        digits = sign.lower().replace("e+", "e").replace("e-", "e").split("e")
        parts = [*digits[0].split("."), *digits[1:]]
        if len(digits) > 2 or len(parts) > 3 or not all(x.isascii() and x.isdigit() for x in parts):
            return None
        if digits[0].count(".") > 1:
            return None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _required(value: Any) -> str:
    text = _text(value)
    if text is None:
        raise Refused("wrong_type")
    return text


def _required_number(value: Any) -> float:
    number = _number(value)
    if number is None:
        raise Refused("wrong_type")
    return number


def _optional(value: Any, field: str, rules: IngestSettings, lost: set[str]) -> str:
    text = _text(value)
    if text is None or len(text.encode()) > rules.max_id_bytes or "\0" in text:
        lost.add(field)
        return ""
    return text


def _value(event: dict[str, Any], lost: set[str]) -> float | None:
    if "value" not in event:
        return None
    number = _number(event["value"])
    if number is None or abs(number) > FLOAT32_MAX:
        lost.add("value")
        return None
    return number


def _context(context: Any, rules: IngestSettings, lost: set[str]) -> None:
    if context is None:
        return
    if not isinstance(context, dict):
        lost.add("context")
        return
    good = [x for x in context.values() if x is None or isinstance(x, bool) or _is_plain(x)]
    if len(good) < len(context) or len(good) > rules.max_context_entries:
        lost.add("context")


def _is_plain(x: Any) -> bool:
    return (isinstance(x, float) and math.isfinite(x)) or isinstance(x, int | str)


def _limits(event: dict[str, Any], broker_ts: int, rules: IngestSettings) -> None:
    for field in REQUIRED:
        if not event[field]:
            raise Refused("empty_id")
    for field in REQUIRED:
        if len(event[field].encode()) > rules.max_id_bytes:
            raise Refused("id_too_long")
        if "\0" in event[field]:
            raise Refused("bad_id")
    if not 0 <= event["ts"] < 253_402_300_800:
        raise Refused("ts_out_of_range")
    if broker_ts >= 0:
        ahead = event["ts"] - broker_ts / 1000
        if ahead > rules.max_future_seconds:
            raise Refused("ts_in_future")
        if rules.max_lateness_seconds > 0 and ahead < -rules.max_lateness_seconds:
            raise Refused("ts_too_late")
