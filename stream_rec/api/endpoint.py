"""A route as an ASGI application: admits, reads, answers in time, and says what went wrong."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

import msgspec

from stream_rec import logs
from stream_rec.api.access.gate import Gate
from stream_rec.api.body import ClientLeft, Receive, query_of, read_body, read_query
from stream_rec.api.measures import Measures
from stream_rec.api.operation import PROBLEM_JSON, Answer, Call, Operation
from stream_rec.api.problem import KINDS, Problem, of_error
from stream_rec.clock import Clock
from stream_rec.logs import Lines
from stream_rec.settings import ServeSettings

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
NO_ROUTE = "none"
"""Route of what is no address of ours, in figures and in the log: an address may hold a user's id."""
_CLIENT_LEFT = 499
"""As nginx logs it; nobody is there to be answered."""

log = logs.get("serve")


class Endpoints:
    """What all routes share.

    Args:
        settings: limits.
        gate: admits.
        measures: counts.
        clock: stamps the access log.
    """

    def __init__(self, settings: ServeSettings, gate: Gate, measures: Measures, clock: Clock) -> None:
        self.settings = settings
        self.gate = gate
        self.measures = measures
        self._access = Lines("serve", "request", clock)
        self._n_waiting = 0

    async def answer(self, operation: Operation, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, and log it."""
        began = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        self._n_waiting += 1
        self.measures.waiting.set(self._n_waiting)
        try:
            found = await self._found(operation, scope, headers, receive)
        except ClientLeft:
            found = Answer(_CLIENT_LEFT, b"")
        except Exception as error:  # noqa: BLE001 - a bug is answered, logged, and counted
            found = _refusal(error, operation, request_id)
        finally:
            self._n_waiting -= 1
            self.measures.waiting.set(self._n_waiting)
        if found.status != _CLIENT_LEFT:
            await _send(send, found, request_id)
        self._note(operation.method, operation.route, found, request_id, perf_counter() - began)

    def refuse(
        self, problem: Problem, scope: Scope, headers: tuple[tuple[bytes, bytes], ...]
    ) -> tuple[Answer, str]:
        """What a request that is for no route is answered, with its id; counted and logged as others are."""
        began = perf_counter()
        request_id = _request_id(dict(scope["headers"]).get(b"x-request-id"))
        found = problem_answer(problem, request_id)
        found = found._replace(headers=(*found.headers, *headers))
        self._note(scope["method"], NO_ROUTE, found, request_id, perf_counter() - began)
        return found, request_id

    async def _found(
        self, operation: Operation, scope: Scope, headers: dict[bytes, bytes], receive: Receive
    ) -> Answer:
        settings = self.settings
        if self._n_waiting > settings.max_requests and operation.scope is not None:
            raise Problem(
                "busy", f"{settings.max_requests} requests are being answered", fix="try again in a moment"
            )
        seconds = settings.slow_timeout_seconds if operation.is_slow else settings.timeout_seconds
        async with asyncio.timeout(seconds):
            given = query_of(scope["query_string"])
            caller = await self.gate.admit(operation, scope, headers, given)
            query = read_query(given, operation.query)
            body = b""
            if operation.body is not None:
                body = await read_body(receive, headers.get(b"content-length"), settings.max_body_bytes)
            return await operation.run(Call(caller, scope["path_params"], query, body))

    def _note(self, method: str, route: str, found: Answer, request_id: str, seconds: float) -> None:
        self.measures.answered(method, route, found.status, seconds)
        wanted = self.settings.access_log
        if wanted == "all" or (wanted == "failed" and not 200 <= found.status < 300):
            self._access.write(
                method=method,
                route=route,
                status=found.status,
                ms=round(seconds * 1000, 2),
                bytes=len(found.body),
                request_id=request_id,
            )


class Endpoint:
    """One route, as ASGI wants it.

    Args:
        operation: the route.
        shared: what all have in common.
    """

    def __init__(self, operation: Operation, shared: Endpoints) -> None:
        self._operation = operation
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._shared.answer(self._operation, scope, receive, send)


def problem_answer(problem: Problem, request_id: str) -> Answer:
    """A problem as an answer."""
    kind = KINDS[problem.kind]
    headers = [(b"retry-after", str(problem.retry_after_seconds).encode())] if kind.is_passing else []
    if kind.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Answer(kind.status, msgspec.json.encode(problem.body(request_id)), PROBLEM_JSON, tuple(headers))


def _refusal(error: Exception, operation: Operation, request_id: str) -> Answer:
    problem = of_error(error)
    if problem is None:
        log.exception("a request failed", route=operation.route, request_id=request_id)
        problem = Problem("bug", "the log has it under this request_id", fix="report it")
    return problem_answer(problem, request_id)


async def _send(send: Send, found: Answer, request_id: str) -> None:
    headers = [
        (b"content-type", found.content_type),
        (b"content-length", str(len(found.body)).encode()),
        (b"x-request-id", request_id.encode()),
        *found.headers,
    ]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    await send({"type": "http.response.body", "body": found.body})


def _request_id(given: bytes | None) -> str:
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return secrets.token_hex(8)
