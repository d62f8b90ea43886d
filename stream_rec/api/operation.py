"""One route: what it takes, who may call it, what runs, and what its description says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec

Scope = Literal["publish", "read", "admin"]

JSON = b"application/json"
PROBLEM_JSON = b"application/problem+json"

_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """What goes back.

    Attributes:
        status: of HTTP.
        body: whole.
        content_type: of the body.
        headers: further ones.
    """

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


def answer(value: Any, status: int = 200) -> Answer:
    """A value as JSON."""
    return Answer(status, _encode(value))


class Caller(NamedTuple):
    """Who calls.

    Attributes:
        name: of the key, for the log; "" = there are no keys.
        key_id: of the key.
        may_publish: whether it may write what users did and saw.
        visitor: the one user it may speak of; None = any.
    """

    name: str
    key_id: str
    may_publish: bool
    visitor: str | None = None


@dataclass(slots=True)
class Call:
    """One request, as far as the routes are concerned.

    Attributes:
        caller: who.
        path: the variable parts of the path, decoded.
        query: an `Operation.query`.
        body: whole; empty = the route takes none.
    """

    caller: Caller
    path: Mapping[str, str]
    query: Any
    body: bytes


Run = Callable[[Call], Awaitable[Answer]]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Example(NamedTuple):
    """An answer as the description shows it.

    Attributes:
        said: when it is given.
        kind: type of the body; None = no JSON.
        value: a body.
    """

    said: str
    kind: Any
    value: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """A route.

    Attributes:
        method: of HTTP.
        path: with variable parts in braces; one that ends in `:id` may hold slashes.
        run: answers.
        summary: in a line.
        answers: by status; problems that any route may answer are added.
        scope: what the key must allow; None = whoever asks.
        query: the parameters; unknown ones are refused.
        body: type of the body, for the description; None = it takes none.
        body_example: a body.
        problems: further kinds of problems it answers.
        browser: whether browser keys may call it: with a visitor's token, or to get one.
        is_slow: whether it may take `serve.slow_timeout_seconds`.
    """

    method: str
    path: str
    run: Run
    summary: str
    answers: Mapping[int, Example]
    scope: Scope | None = None
    query: type[msgspec.Struct] = Nothing
    body: Any = None
    body_example: Any = None
    problems: tuple[str, ...] = field(default=())
    browser: Literal["", "visitor", "new visitor"] = ""
    is_slow: bool = False

    @property
    def route(self) -> str:
        """The path as logs and metrics name it: without a user's id."""
        return self.path.replace(":id", "")
