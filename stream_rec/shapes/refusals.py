"""Why a value became no field of a record: what generated mappers call when they refuse."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from typing import Any

from stream_rec.errors import ContractError
from stream_rec.schemas.coercion import coerced
from stream_rec.schemas.records import PublishedRecord
from stream_rec.schemas.validation import TS_END
from stream_rec.settings.shapes import NOBODY, NULL_WORDS
from stream_rec.shapes import times, values
from stream_rec.shapes.messages import Mapped, Refused, SignIn, Unread

NUMBERS = ("value", "price")
"""Fields that hold one."""
MANY = frozenset({
    "anonymous", "guest", "unknown", "user", "visitor", "test", "null", "undefined", "nil", "none", "nan", "true",
    "false", "id", "userid", "user_id", "distinctid", "distinct_id", "email", "not_authenticated", "[object object]",
    "not set", "(not set)", "n/a", "na", *NOBODY,
})  # fmt: skip
"""Ids, in small letters, that trackers send of very many: merged into one, these could never be told apart again."""
MAX_ID = 40
"""Characters of an id that are said."""
MAX_TYPE = 60
"""Characters of an event type that are said."""


def recorded(kind: type[PublishedRecord], given: dict[str, Any], unread: list[Unread]) -> list[Mapped]:
    """The record that an object stands for and what could not be read of it, or why it stands for none.

    Args:
        kind: of the record.
        given: values by field.
        unread: parts that are not among the values any more.
    """
    try:
        found, flaws = coerced(kind, given)
    except ContractError as error:
        field = error.detail.split("`")[1] if "`" in error.detail else ""
        return [Refused(error.reason, field, error.detail)]
    said = {flaw.field: unreadable(flaw.field, given[flaw.field]) for flaw in flaws}
    return [found, *said.values(), *(each for each in unread if each.field not in said)]  # type: ignore[list-item]


def unreadable(field: str, raw: Any) -> Unread:
    """Why a value is not what an optional field holds."""
    if isinstance(raw, values.NoNumber) and raw.name:
        return Unread("wrong_type", field, no_number(raw), is_told=True)
    shown = ascii(raw)[:60]
    if not isinstance(raw, str) or field not in NUMBERS:
        return Unread("wrong_type", field, f"{field} cannot be {shown}")
    detail = "; ".join([f"{shown} is no number", *_ways(raw, "path")])
    return Unread("wrong_type", field, detail, is_told=True)


def _ways(raw: Any, path: str) -> list[str]:
    """How a value can be read as a number."""
    read = {mark: values.written(raw, mark) for mark in values.MARKS}
    return [f"by number({path}, '{mark}') {one!r}" for mark, one in read.items() if isinstance(one, float)]


def no_number(fault: values.NoNumber) -> str:
    """What was compared by `<` or `>` and is no number, for people, and how it could be read as one."""
    shown = ascii(fault.value)[:60]
    ways = _ways(fault.value, fault.name)
    if not ways and isinstance(fault.value, str):
        ways = [f"if that means yes: ({fault.name} in [{shown}] or {fault.name} > 0)"]
    return "; ".join([f"{fault.name} is no number ({shown})", *ways])


def refused_comparison(field: str, fault: values.NoNumber) -> Refused:
    """Why it cannot be said whether a condition holds that decides about the record."""
    return Refused("wrong_type", field, no_number(fault), is_told=True)


def not_compared(field: str, path: str) -> Unread:
    """A condition of a value that is not given: it is not said, then, and counts as the field's default."""
    counts = "available" if field == "available" else f"not {field}"
    return Unread("missing_field", field, f"{path} is not given: such an item counts as {counts}")


def refused_id(field: str, raw: Any, theirs: str = "") -> Refused:
    """Why a value is no id.

    Args:
        field: of our record.
        raw: the value.
        theirs: the event type as it stands in the message.
    """
    theirs = theirs[:MAX_TYPE]
    if raw is None:
        return Refused("missing_field", field, f"there is no {field}", theirs)
    if isinstance(raw, values.NoNumber) and raw.name:
        return refused_comparison(field, raw)
    text = values.plain(raw)
    if isinstance(raw, bool) or text is None:
        return Refused("wrong_type", field, f"{field} cannot be {ascii(raw)[:40]}", theirs)
    what = "nobody" if field == "user_id" else "nothing"
    text = text[:MAX_ID]
    return Refused("null_word", field, f"{text!a} stands for {what}", theirs, stands_for_none=text)


def signed_in(visitor: Any, user: Any, nobody: Set[str], *, whole_numbers: bool) -> SignIn | Refused:
    """The two ids of a merge, or why there is nothing to merge.

    That one of them is missing is no fault: trackers name what they know, and nothing is lost.

    Args:
        visitor: as it stands in the message.
        user: likewise.
        nobody: ids that stand for nobody, by the shape.
        whole_numbers: read `17.0` as `17`.
    """
    found: list[str] = []
    for field, raw in (("visitor_id", visitor), ("user_id", user)):
        text = values.to_id(raw)
        if not raw and not isinstance(raw, bool) and not text:
            return Refused("no_merge", field, f"there is no {field}")
        if not text:
            return Refused("wrong_type", field, f"{field} cannot be {ascii(raw)[:40]}")
        text = values.without_point(text) if whole_numbers else text
        if text in nobody or text.strip().lower() in MANY:
            return Refused("no_merge", field, f"{text[:40]!a} stands for nobody")
        found.append(text)
    if found[0] == found[1]:
        return Refused("no_merge", "visitor_id", "both ids are the same")
    return SignIn(*found)


def refused_moment(field: str, raw: Any) -> Refused:
    """Why a value is none of the times that decide something: when an item may be shown, a time of day."""
    return Refused("wrong_type", field, f"{ascii(raw)[:60]} cannot be read")


def refused_time(raw: Any, seconds: float | None, unit: str) -> Refused:
    """Why a value is no time."""
    raw = raw.isoformat().replace("+00:00", "Z") if isinstance(raw, datetime) else raw
    shown = ascii(raw)[:60]
    if raw is None or (isinstance(raw, str) and raw.strip() in NULL_WORDS):
        return Refused("missing_field", "ts", "there is no time")
    if seconds is None:
        how = "" if unit == "auto" else f" as {unit}"
        return Refused("wrong_type", "ts", f"{shown} cannot be read{how}")
    hint = "; is it a date? unit = '%Y%m%d'" if times.is_compact_date(raw) else ""
    when = "before the shape's `earliest`" if seconds < TS_END / 2 else "too far in the future"
    return Refused("ts_out_of_range", "ts", f"{shown} is {when}{hint}")


def other_type(kind: str) -> Refused:
    """A type that the shape does not list."""
    return Refused(
        "other_type", "event_type", f"{kind[:MAX_TYPE]!a} is not among the shape's types", kind[:MAX_TYPE]
    )
