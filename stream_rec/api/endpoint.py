"""A route as an ASGI application: admits, reads, answers in time, and says what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

from stream_rec import logs
from stream_rec.api.access.gate import Gate
from stream_rec.api.body import ClientLeft, Receive, query_of, read_body, read_query
from stream_rec.api.measures import Measures
from stream_rec.api.operation import Answer, Call, Operation
from stream_rec.api.problem import Problem, of_error
from stream_rec.api.refusals import Refusals, Send, problem_answer, request_id_of, send_answer
from stream_rec.clock import Clock
from stream_rec.settings import ServeSettings

Scope = MutableMapping[str, Any]

_CLIENT_LEFT = 499
"""As nginx logs it; nobody is there to be answered."""

_ENDING = Problem("unavailable", "the server is stopping", fix="send the same to another one, or again later")

log = logs.get("serve")


class Endpoints:
    """What all routes share.

    Args:
        settings: limits.
        gate: admits.
        measures: counts.
        clock: stamps the access log.

    Attributes:
        refusals: answers what is for no route.
    """

    def __init__(self, settings: ServeSettings, gate: Gate, measures: Measures, clock: Clock) -> None:
        self.settings = settings
        self.gate = gate
        self.measures = measures
        self.refusals = Refusals(settings, measures, clock)
        self._n_waiting = 0

    async def answer(self, operation: Operation, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, and log it."""
        began = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = request_id_of(headers)
        self._n_waiting += 1
        self.measures.n_waiting += 1
        try:
            found = await self._found(operation, scope, headers, receive)
        except ClientLeft:
            found = Answer(_CLIENT_LEFT, b"")
        except asyncio.CancelledError:  # the server ends, and this has taken longer than it waits for
            found = problem_answer(_ENDING, request_id)
        except Exception as error:  # noqa: BLE001 - a bug is answered, logged, and counted
            found = _refusal(error, operation, request_id)
        finally:
            self._n_waiting -= 1
            self.measures.n_waiting -= 1
        if found.status != _CLIENT_LEFT:
            await send_answer(send, found, request_id)
        self.refusals.note(operation.method, operation.route, found, request_id, perf_counter() - began)

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


def _refusal(error: Exception, operation: Operation, request_id: str) -> Answer:
    problem = of_error(error)
    if problem is None:
        log.exception("a request failed", route=operation.route, request_id=request_id)
        problem = Problem("bug", "the log has it under this request_id", fix="report it")
    return problem_answer(problem, request_id)
