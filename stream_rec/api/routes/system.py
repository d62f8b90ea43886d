"""For those who run the server: probes, metrics, and its own description."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import msgspec

from stream_rec.api.measures import Measures
from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.errors import StreamRecError


class State(msgspec.Struct, frozen=True):
    """Of a probe that succeeds."""

    status: str


class System:
    """The routes.

    Args:
        check: raises if the server cannot answer reads.
        is_draining: whether it is about to end.
        measures: for Prometheus.
        description: OpenAPI, as JSON.
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[object]],
        is_draining: Callable[[], bool],
        measures: Measures,
        description: Callable[[], bytes],
    ) -> None:
        self._check = check
        self._is_draining = is_draining
        self._measures = measures
        self._description = description

    async def healthz(self, _: Call) -> Answer:
        """Does the process answer?"""
        return answer(State("ok"))

    async def readyz(self, _: Call) -> Answer:
        """Should it be sent requests?"""
        if self._is_draining():
            raise Problem("unavailable", "the server is stopping", fix="ask another one")
        try:
            await self._check()
        except StreamRecError as error:
            raise Problem("unavailable", str(error).partition("\n")[0], fix="`stream-rec doctor`") from None
        return answer(State("ready"))

    async def metrics(self, _: Call) -> Answer:
        """In Prometheus' format."""
        return Answer(200, self._measures.text(), b"text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _: Call) -> Answer:
        """This description."""
        return Answer(200, self._description())

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        ok = {200: Example("it does", State, {"status": "ok"})}
        yield Operation("GET", "/healthz", self.healthz, "Does the process answer? For liveness probes.", ok)
        yield Operation(
            "GET",
            "/readyz",
            self.readyz,
            "Can it answer reads? For readiness probes and balancers; 503 while it stops.",
            {200: Example("it can", State, {"status": "ready"})},
            problems=("unavailable",),
        )
        text = Example("counters since the start", None, "stream_rec_http_waiting 0.0\n")
        yield Operation("GET", "/metrics", self.metrics, "For Prometheus.", {200: text})
        yield Operation(
            "GET", "/openapi.json", self.openapi, "This description.", {200: Example("OpenAPI 3.1", dict, {})}
        )
