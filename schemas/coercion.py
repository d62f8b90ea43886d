"""Lenient decoding: a record that does not match its type is coerced field by field, and unusable parts are dropped.

Producers differ: one writes ids as numbers, one writes null for what it does not know, one puts an object where a text
belongs. None of that makes the click untrue. A record is rejected only if a required field is unusable, or one that
decides whether an item may be shown (a boolean, a date of its window): a default could then say the opposite of what
was meant.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from stream_rec.errors import ContractError
from stream_rec.schemas.records import Attributes, AttributeValue, Context, PublishedRecord

R = TypeVar("R", bound=PublishedRecord)

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MOMENTS = ("available_from", "available_until")
_IN_STOCK = frozenset({"instock", "available", "preorder", "presale", "backorder", "limitedavailability", "onlineonly",
                       "instoreonly", "madetoorder"})  # fmt: skip
_OUT_OF_STOCK = frozenset({"outofstock", "soldout", "unavailable", "notavailable", "discontinued"})
_YES, _NO = ("true", "t", "yes", "y", "on", "1"), ("false", "f", "no", "n", "off", "0")


class Flaw(NamedTuple):
    """A part of a record that was left out.

    Attributes:
        field: its name.
        reason: a code of `validation.REASONS`.
    """

    field: str
    reason: str


class _Unusable(Exception):
    """The value says nothing that the field could hold."""


class _Partly(Exception):
    """Only some of the value is usable.

    Args:
        good: what is.
    """

    def __init__(self, good: Any) -> None:
        self.good = good


def parsed(text: str) -> dict[str, Any]:
    """A message as an object. NaN, infinities and lone surrogates are accepted here; each field is judged by itself.

    Raises:
        ContractError: it is no JSON object.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ContractError("too_deep", str(error)) from None
    except ValueError as error:
        raise ContractError("not_json", ascii(str(error))[1:-1]) from None
    if not isinstance(value, dict):
        raise ContractError("wrong_type", f"expected an object, got {type(value).__name__}")
    return value


def coerced(kind: type[R], given: Mapping[str, Any]) -> tuple[R, list[Flaw]]:
    """The record that a parsed message stands for.

    Null counts as not given; so does "" in an optional field that is no text.

    Args:
        kind: the record.
        given: values by field; unknown fields are ignored.

    Returns:
        The record, still to be validated, and what was left out of it.

    Raises:
        ContractError: `missing_field` or `wrong_type`, of a required field or one that decides whether an item may be
            shown.
    """
    flaws: list[Flaw] = []
    good: dict[str, Any] = {}
    for field in _fields(kind):
        value = given.get(field.name)
        if value is None or (field.is_empty_if_blank and isinstance(value, str) and not value.strip()):
            if field.required:
                raise ContractError("missing_field", f"`{field.name}` is not given")
            continue
        try:
            good[field.name] = field.read(value)
        except _Partly as partly:
            good[field.name] = partly.good
            flaws.append(Flaw(field.name, "wrong_type"))
        except _Unusable:
            if field.required or field.is_decisive:
                shown = ascii(value)[:40]
                raise ContractError("wrong_type", f"`{field.name}` cannot be {shown}") from None
            flaws.append(Flaw(field.name, "wrong_type"))
    return kind(**good), flaws


def text(value: Any) -> str:
    """An id or name: text as it is, a number as people write it, whole ones without a point (`17.0` is `17`).

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"{value!a} is no id")
    return str(int(value)) if value.is_integer() else repr(value)


def yes_or_no(value: Any) -> bool:
    """True or false, also as 1 or 0, or in quotes, where YAML's and SQL's words for them count too.

    Raises:
        ValueError: it is neither.
    """
    word = (
        value.strip().lower() if isinstance(value, str) else "1" if value == 1 else "0" if value == 0 else ""
    )
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError(f"{value!a} is neither true nor false")


def is_available(value: Any) -> bool:
    """As `yes_or_no`, and by the words of product feeds; what may be ordered is available.

    The words are Google's (`IN_STOCK`, `out of stock`, `preorder`, `backorder`) and schema.org's, also as addresses.

    Raises:
        ValueError: it is neither.
    """
    word = re.sub(r"[\s_-]", "", value.rpartition("/")[2].lower()) if isinstance(value, str) else ""
    if word in _IN_STOCK:
        return True
    return False if word in _OUT_OF_STOCK else yes_or_no(value)


def flat(value: Mapping[str, Any]) -> tuple[Context, bool]:
    """The entries that a context can hold (texts, finite numbers, true, false, null), and whether these are all."""
    good = {name: entry for name, entry in value.items() if _is_scalar(name) and _is_scalar(entry)}
    return good, len(good) == len(value)


class _Field(NamedTuple):
    name: str
    required: bool
    is_decisive: bool
    is_empty_if_blank: bool
    read: Callable[[Any], Any]


@cache
def _fields(kind: type[PublishedRecord]) -> tuple[_Field, ...]:
    return tuple(_field(field) for field in msgspec.structs.fields(kind))


def _field(field: msgspec.structs.FieldInfo) -> _Field:
    read = _READERS.get(field.type) or _converter(field.type)
    if field.name in _MOMENTS:
        return _Field(field.name, field.required, True, True, _moment)
    if field.name == "available":
        return _Field(field.name, field.required, True, True, _available)
    return _Field(
        field.name, field.required, field.type is bool, not field.required and read is not _text, read
    )


def _text(value: Any) -> str:
    try:
        found = text(value)
    except ValueError:
        raise _Unusable from None
    if not _has_utf8(found):
        raise _Unusable
    return found


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise _Unusable
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise _Unusable
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _Unusable from None
    if not math.isfinite(number):
        raise _Unusable
    return number


def _moment(value: Any) -> float:
    """A time: seconds since the epoch, or a date as ISO 8601 writes it, in UTC where it names no zone."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return _number(value)
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise _Unusable from None


def _available(value: Any) -> bool:
    try:
        return is_available(value)
    except ValueError:
        raise _Unusable from None


def _bool(value: Any) -> bool:
    try:
        return yes_or_no(value)
    except ValueError:
        raise _Unusable from None


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Unusable
    good = tuple(_usable(value, _text))
    if len(good) < len(value):
        raise _Partly(good)
    return good


def _usable(values: list[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
    for value in values:
        try:
            yield read(value)
        except _Unusable:
            continue


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise _Unusable
    return tuple(map(_number, value))


def _context(value: Any) -> Context:
    if not isinstance(value, dict):
        raise _Unusable
    good, is_whole = flat(value)
    if not is_whole:
        raise _Partly(good)
    return good


def _attributes(value: Any) -> Attributes:
    if not isinstance(value, dict):
        raise _Unusable
    good: Attributes = {}
    is_whole = True
    for name, entry in value.items():
        one, is_one_whole = _attribute(entry)
        is_whole &= is_one_whole and _has_utf8(name)
        if one is not None and _has_utf8(name):
            good[name] = one
    if not is_whole:
        raise _Partly(good)
    return good


def _attribute(value: Any) -> tuple[AttributeValue | None, bool]:
    """What is usable of an attribute's value, None = nothing; and is that all of it?"""
    if not isinstance(value, list):
        return (value, True) if _is_scalar(value) else (None, False)
    good = tuple(each for each in value if each is not None and _is_scalar(each))
    return good, len(good) == len(value)


def _converter(kind: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            raise _Unusable from None

    return read


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return _has_utf8(value)
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _has_utf8(string: str) -> bool:
    try:
        string.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


_READERS: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    str | None: _text,
    float: _number,
    float | None: _number,
    bool: _bool,
    tuple[str, ...]: _texts,
    tuple[float, ...]: _numbers,
    tuple[float, ...] | None: _numbers,
    Context | None: _context,
    Attributes | None: _attributes,
}
"""By the type of a record's field; other types are taken as they are, or not at all."""
