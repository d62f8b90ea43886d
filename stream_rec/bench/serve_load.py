"""Load on an HTTP server from a process of its own: `python -m stream_rec.bench.serve_load`, a plan on stdin.

Reads come at a steady rate whatever the server does (an open loop), and a read's time begins when it is due: what waits
because the server is slow counts. HTTP/1.1 is written by hand, so that the load costs less than what it measures.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter

import msgspec
import uvloop

_TIMEOUT_SECONDS = 30.0


class Plan(msgspec.Struct, frozen=True):
    """What is sent.

    Attributes:
        host, port: where to.
        seconds: how long.
        connections: at a time.
        paths: of the reads, in turns; empty = batches are posted.
        rate: reads a second.
        body: of a batch; posted as fast as each connection is answered.
        bodies: of reads that have one, in turns; posted to the only path at the rate.
        pairs: publish-then-read pairs, each of a new user, instead of all else.
        popular: items of the pairs' events: those that lead a stranger's slate.
    """

    host: str
    port: int
    seconds: float
    connections: int
    paths: Sequence[str] = ()
    rate: float = 0.0
    body: bytes = b""
    bodies: Sequence[str] = ()
    pairs: int = 0
    popular: Sequence[str] = ()


class Outcome(msgspec.Struct):
    """What came of it.

    Attributes:
        ms: of every answer.
        errors: answers that were none, or not 2xx.
        seconds: from the first to the last.
        stale: answers of pairs that are marked stale.
        stale_unmarked: answers of pairs that do not know the event, and are not marked.
    """

    ms: list[float]
    errors: int
    seconds: float
    stale: int = 0
    stale_unmarked: int = 0


class Connection:
    """One connection that is kept; opened again if it breaks."""

    def __init__(self, host: str, port: int) -> None:
        self._at = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def is_answered(self, request: bytes) -> bool:
        """Send it; was it answered by 2xx?"""
        return await self.answer(request) is not None

    async def answer(self, request: bytes) -> bytes | None:
        """Send it; the answer's body, or None if it is not 2xx."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(*self._at)
                reader, writer = self._streams
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                lower = head.lower()
                at = lower.index(b"content-length:") + len(b"content-length:")
                body = await reader.readexactly(int(lower[at : lower.index(b"\r\n", at)]))
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
            self.close()
            return None
        return body if head[9:10] == b"2" else None

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def read(plan: Plan) -> Outcome:
    """Reads at a rate."""
    requests = [_posted(plan.paths[0], body.encode()) for body in plan.bodies] or [
        _asked(path) for path in plan.paths
    ]
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    found = Outcome([], 0, 0.0)

    async def run() -> None:
        connection = Connection(plan.host, plan.port)
        while (one := await due.get()) is not None:
            found.errors += not await connection.is_answered(one[1])
            found.ms.append((perf_counter() - one[0]) * 1000)
        connection.close()

    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(plan.connections):
            group.create_task(run())
        for number in range(int(plan.rate * plan.seconds)):
            at = began + number / plan.rate
            if (wait := at - perf_counter()) > 0:
                await asyncio.sleep(wait)
            due.put_nowait((at, requests[number % len(requests)]))
        for _ in range(plan.connections):
            due.put_nowait(None)
    found.seconds = perf_counter() - began
    return found


async def post(plan: Plan) -> Outcome:
    """Batches, one after the other on each connection."""
    request, found, began = _posted("/v1/events/batch", plan.body), Outcome([], 0, 0.0), perf_counter()

    async def run() -> None:
        connection = Connection(plan.host, plan.port)
        while perf_counter() - began < plan.seconds:
            sent = perf_counter()
            found.errors += not await connection.is_answered(request)
            found.ms.append((perf_counter() - sent) * 1000)
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(plan.connections):
            group.create_task(run())
    found.seconds = perf_counter() - began
    return found


async def pairs(plan: Plan) -> Outcome:
    """An event, and when it is acknowledged a read that is to know it; the time is the read's.

    The user is new: who is taken for a stranger was answered without the event, and so was who is led by its item.
    """
    numbers, found, began = iter(range(plan.pairs)), Outcome([], 0, 0.0), perf_counter()

    async def run() -> None:
        connection = Connection(plan.host, plan.port)
        for number in numbers:
            user, item = f"pair-{number}", plan.popular[number % len(plan.popular)]
            event = msgspec.json.encode({"user_id": user, "item_id": item, "event_type": "view"})
            done = await connection.answer(_posted("/v1/events", event))
            if done is None:
                found.errors += 1
                continue
            place = msgspec.json.decode(done)
            after = f"{place['partition']}:{place['offset']}"
            sent = perf_counter()
            read = await connection.answer(
                _asked(f"/v1/users/{user}/recommendations?n=50&after={after}&timeout=5")
            )
            found.ms.append((perf_counter() - sent) * 1000)
            if read is None:
                found.errors += 1
                continue
            given = msgspec.json.decode(read)
            if given.get("stale"):
                found.stale += 1
            elif given["origin"] != "personal" or given["items"][0]["item_id"] == item:
                found.stale_unmarked += 1
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(plan.connections):
            group.create_task(run())
    found.seconds = perf_counter() - began
    return found


def _asked(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _posted(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def main(given: Sequence[bytes]) -> None:
    """One plan, one outcome."""
    plan = msgspec.json.decode(b"".join(given), type=Plan)
    found = uvloop.run(pairs(plan) if plan.pairs else post(plan) if plan.body else read(plan))
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main(sys.stdin.buffer.readlines())
