"""One request until it is answered or given up, as steps: shared by the clients with asyncio and without."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec

from stream_rec.clock import Clock
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import Vector
from stream_rec.sdk.calls import Request
from stream_rec.sdk.errors import HttpProblem
from stream_rec.sdk.retries import Retries
from stream_rec.sdk.servers import Servers
from stream_rec.sdk.wire import Batch, ProblemBody, Result

T = TypeVar("T")
R = TypeVar("R")

BATCH = 500
"""Records of one request; `serve.max_batch` is twice as much by default."""
NUMBERS = 20_000
"""Numbers of the vectors of one request: half of what `serve.max_body_bytes` allows, each written out in full."""
_ACCEPTED = 202

_NOT_TAKEN = frozenset({429})
"""The server did nothing: it may be asked again, whatever was asked."""
_PASSING = frozenset({429, 502, 503, 504})
_problem = msgspec.json.Decoder(ProblemBody).decode


class Send(NamedTuple):
    """A step: send the request to the server of this address. Gives its answer, or the error of the connection."""

    request: Request[Any]
    url: str


class Wait(NamedTuple):
    """A step: wait. Gives nothing."""

    seconds: float


Steps = Generator[Send | Wait, Any, T]


class At(NamedTuple):
    """Whom a client talks to.

    Attributes:
        servers: one, or several that answer alike.
        retries: bounds.
        clock: measures them.
    """

    servers: Servers
    retries: Retries
    clock: Clock


def exchange(request: Request[T], at: At) -> Steps[T]:
    """Send it until there is an answer; to another server, if there is one, when the first does not give any.

    Raises:
        HttpProblem: the server refuses.
        Unavailable: it was not answered within the bounds. What was to be written may have been.
    """
    began, attempt = at.clock.monotonic(), 0
    while True:
        attempt += 1
        url = at.servers.asked
        found = yield Send(request, url)
        if isinstance(found, httpx.Response) and found.status_code not in _PASSING:
            return _answer(found, request, url)
        at.servers.failed(url)
        spent = at.clock.monotonic() - began
        wished = 0.0 if at.servers.are_many else _wished(found)
        pause = at.retries.pause(attempt, spent, wished) if _may_repeat(request, found) else None
        if pause is None:
            raise _gave_up(found, url, spent)
        yield Wait(pause)


def exchange_batch(
    make: Callable[[Sequence[R]], Request[Batch]], records: Sequence[R], at: At, at_a_time: int = BATCH
) -> Steps[Batch]:
    """Send records until each is acknowledged or refused, in requests of so many, in order.

    Args:
        make: the request for some of them.
        records: any number of them; of such that must not be sent twice, what was certainly not taken is sent again.
        at: whom to.
        at_a_time: records of one request.

    Raises:
        HttpProblem, Unavailable: as `exchange`, of the first request that fails whole; those before it were answered.
    """
    results: list[Result] = []
    for start in range(0, len(records), at_a_time):
        results += yield from _part(make, records[start : start + at_a_time], at)
    accepted = sum(each.status == _ACCEPTED for each in results)
    return Batch(accepted, len(results) - accepted, tuple(results))


def vectors_at_a_time(vectors: Sequence[Vector]) -> int:
    """How many of these a request may hold, as long as the longest is."""
    longest = max((len(each.values) for each in vectors), default=1)
    return max(1, min(BATCH, NUMBERS // max(1, longest)))


def _part(make: Callable[[Sequence[R]], Request[Batch]], records: Sequence[R], at: At) -> Steps[list[Result]]:
    results: dict[int, Result] = {}
    left, began, attempt = list(range(len(records))), at.clock.monotonic(), 0
    while True:
        attempt += 1
        request = make([records[i] for i in left])
        told = yield from exchange(request, at)
        results |= dict(zip(left, told.results, strict=True))
        passing = _PASSING if request.may_repeat else _NOT_TAKEN
        left = [i for i in left if results[i].status in passing]
        pause = at.retries.pause(attempt, at.clock.monotonic() - began) if left else None
        if pause is None:
            return [results[i] for i in range(len(records))]
        yield Wait(pause)


def _may_repeat(request: Request[Any], found: httpx.Response | httpx.HTTPError) -> bool:
    if request.may_repeat:
        return True
    if isinstance(found, httpx.Response):
        return found.status_code in _NOT_TAKEN
    return isinstance(found, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))


def _answer(found: httpx.Response, request: Request[T], where: str) -> T:
    has_answer = found.is_success or (found.status_code == 422 and _is_json(found))
    if not has_answer:
        raise HttpProblem(_said(found))
    try:
        return msgspec.json.decode(found.content, type=request.kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unavailable("stream-rec serve", f"{where} answered something else: {error}") from None


def _is_json(found: httpx.Response) -> bool:
    """A batch of which nothing was usable is answered as others are, by 422."""
    return bool(found.headers.get("content-type") == "application/json")


def _said(found: httpx.Response) -> ProblemBody:
    try:
        return _problem(found.content)
    except (msgspec.MsgspecError, UnicodeError):  # a proxy's page
        return ProblemBody("about:blank", found.reason_phrase or "error", found.status_code, found.text[:200])


def _wished(found: httpx.Response | httpx.HTTPError) -> float:
    text = found.headers.get("retry-after", "") if isinstance(found, httpx.Response) else ""
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _gave_up(found: httpx.Response | httpx.HTTPError, where: str, spent: float) -> Exception:
    if isinstance(found, httpx.Response):
        said = _said(found)
        return Unavailable("stream-rec serve", f"{where}: {said.title}: {said.detail}", waited_seconds=spent)
    said_by = str(found) or type(found).__name__
    return Unavailable("stream-rec serve", f"{where}: {said_by}", waited_seconds=spent)
