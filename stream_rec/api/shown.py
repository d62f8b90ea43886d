"""Impressions of what was answered: at once, or a while later, for readers that send none themselves."""

from __future__ import annotations

import asyncio
from functools import partial

from stream_rec import logs
from stream_rec.api.ingest import Ingest, Wanted
from stream_rec.api.names import new_name
from stream_rec.api.problem import Problem
from stream_rec.clock import Clock
from stream_rec.logs import Occasional
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import Impression
from stream_rec.schemas.topics import key_of
from stream_rec.sdk.wire import Written
from stream_rec.serve.wishes import Recommendations

log = logs.get("serve")


class Shown:
    """Publishes impressions of answers.

    Args:
        ingest: writes them.
        clock: stamps them.
        most: that may wait.
    """

    def __init__(self, ingest: Ingest, clock: Clock, most: int) -> None:
        self._ingest = ingest
        self._clock = clock
        self._most = most
        self._waiting: dict[int, tuple[asyncio.TimerHandle, Impression]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._n = 0
        self._lost = Occasional(clock)

    def impression(self, found: Recommendations, user_id: str, scenario: str) -> Impression:
        """What was shown, now. An answer that is no slate of the user's gets an id of its own."""
        shown = found.as_shown(scenario, f"{found.origin}-{new_name()}")
        return shown.impression(user_id, self._clock.now())

    async def now(self, impression: Impression) -> Written:
        """Publish it.

        Raises:
            Problem: it was not acknowledged.
        """
        return await self._ingest.one("impressions", Wanted(key_of(impression), encode(impression)))

    def later(self, impression: Impression, seconds: float) -> None:
        """Publish it then, or at the server's end. If Kafka does not take it, that is logged and counted.

        Raises:
            Problem: too many wait.
        """
        if len(self._waiting) >= self._most:
            said = f"{self._most} impressions wait for their time"
            raise Problem(
                "queue-full",
                said,
                where="query shown",
                fix="ask for shown=now, or raise serve.max_shown_later",
            )
        self._n += 1
        timer = asyncio.get_running_loop().call_later(seconds, partial(self._send, self._n))
        self._waiting[self._n] = (timer, impression)

    async def close(self) -> None:
        """Send what waits."""
        for number in list(self._waiting):
            self._send(number)
        await asyncio.gather(*self._sending)

    def _send(self, number: int) -> None:
        timer, impression = self._waiting.pop(number)
        timer.cancel()
        task = asyncio.get_running_loop().create_task(self._published(impression))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _published(self, impression: Impression) -> None:
        try:
            await self.now(impression)
        except Problem as problem:
            if n := self._lost.note(problem.kind):
                log.error("impressions of answers were not written", n=n, why=problem.detail, fix=problem.fix)
