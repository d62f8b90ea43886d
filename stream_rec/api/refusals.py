"""Answers to what is for no route of ours: counted and logged as all others are."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from time import perf_counter
from typing import Any

import msgspec

from stream_rec.api.measures import Measures
from stream_rec.api.names import new_name
from stream_rec.api.operation import PROBLEM_JSON, Answer
from stream_rec.api.problem import KINDS, Problem
from stream_rec.clock import Clock
from stream_rec.logs import Lines
from stream_rec.settings import ServeSettings

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]
Headers = Sequence[tuple[bytes, bytes]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
NO_ROUTE = "none"
"""Route of what is no address of ours, in figures and in the log: an address may hold a user's id."""


class Refusals:
    """Refuses; and notes every answer.

    Args:
        settings: what is logged.
        measures: counts.
        clock: stamps the access log.
    """

    def __init__(self, settings: ServeSettings, measures: Measures, clock: Clock) -> None:
        self._settings = settings
        self._measures = measures
        self._access = Lines("serve", "request", clock)

    async def answer(self, problem: Problem, scope: Scope, send: Send, headers: Headers = ()) -> None:
        """Refuse a request that is for no route."""
        began = perf_counter()
        request_id = request_id_of(dict(scope["headers"]))
        found = problem_answer(problem, request_id)
        found = found._replace(headers=(*found.headers, *headers))
        await send_answer(send, found, request_id)
        self.note(scope["method"], NO_ROUTE, found, request_id, perf_counter() - began)

    def note(self, method: str, route: str, found: Answer, request_id: str, seconds: float) -> None:
        """An answer was given."""
        self._measures.answered(method, route, found.status, seconds)
        wanted = self._settings.access_log
        if wanted == "all" or (wanted == "failed" and not 200 <= found.status < 300):
            self._access.write(
                method=method,
                route=route,
                status=found.status,
                ms=round(seconds * 1000, 2),
                bytes=len(found.body),
                request_id=request_id,
            )


def problem_answer(problem: Problem, request_id: str) -> Answer:
    """A problem as an answer."""
    kind = KINDS[problem.kind]
    headers = [(b"retry-after", str(problem.retry_after_seconds).encode())] if kind.is_passing else []
    if kind.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Answer(kind.status, msgspec.json.encode(problem.body(request_id)), PROBLEM_JSON, tuple(headers))


async def send_answer(send: Send, found: Answer, request_id: str) -> None:
    """Send it, whole."""
    headers = [
        (b"content-type", found.content_type),
        (b"content-length", str(len(found.body)).encode()),
        (b"x-request-id", request_id.encode()),
        *found.headers,
    ]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    await send({"type": "http.response.body", "body": found.body})


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """The client's, if it can be one; else a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return new_name()
