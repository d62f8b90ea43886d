"""Reading a request's body, and its query, within bounds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from stream_rec.api.problem import Problem, of_validation

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

_MAX_PARAMETERS = 32
_LONGEST_NAME = 64
_EXAMPLE = "/openapi.json has an example of what is sent here"


class ClientLeft(Exception):
    """The client closed the connection before its request was whole."""


async def read_body(receive: Receive, declared: bytes | None, most: int) -> bytes:
    """The whole body.

    Args:
        receive: of ASGI.
        declared: the header Content-Length.
        most: bytes, at most.

    Raises:
        Problem: it is larger.
        ClientLeft: it ends early.
    """
    if declared is not None and declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    parts, n = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientLeft
        part = message.get("body", b"")
        n += len(part)
        if n > most:
            raise _too_large(most)
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def query_of(text: bytes) -> dict[str, str]:
    """The query's parameters.

    Raises:
        Problem: there are too many, or one is given twice.
    """
    if not text:
        return {}
    try:
        pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        fix = f"send {_MAX_PARAMETERS} parameters at most"
        raise Problem("unreadable", str(error), where="query", fix=fix) from None
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        said = f"'{twice[:_LONGEST_NAME]}' is given twice"
        raise Problem("refused", said, where=f"query {twice[:_LONGEST_NAME]}", fix="give it once")
    return found


def read_query(given: dict[str, str], kind: type[S]) -> S:
    """The parameters as this type.

    Raises:
        Problem: there are unknown ones, or one has an impossible value.
    """
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        problem = of_validation(error, "query")
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        problem.fix = f"parameters are {known}" if known else "there are no parameters here"
        raise problem from None


def read_json(body: bytes, decode: Callable[[bytes], T]) -> T:
    """The body, decoded.

    Raises:
        Problem: it is no JSON, or not of the type that is wanted.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        problem = of_validation(error, "body")
        problem.fix = _EXAMPLE
        raise problem from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Problem("unreadable", str(error), where="body", fix="send JSON in UTF-8") from None
    except RecursionError:
        raise Problem(
            "unreadable", "it is nested too deeply", where="body", fix="send flatter JSON"
        ) from None


def bounded(found: list[T], what: str, most: int) -> list[T]:
    """The records of a batch.

    Raises:
        Problem: there are too many.
    """
    if len(found) > most:
        said = f"{len(found)} {what}, {most} are allowed"
        raise Problem("too-large", said, where="body", fix="send fewer")
    return found


def _too_large(most: int) -> Problem:
    return Problem("too-large", f"the body has more than {most} bytes", where="body", fix="send it in parts")
