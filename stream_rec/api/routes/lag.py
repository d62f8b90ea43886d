"""How far the workers are behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.bus.lag import lag
from stream_rec.sdk.wire import LagLine, Lags
from stream_rec.settings import BusSettings


class Lag:
    """The route.

    Args:
        bus: where Kafka is.
    """

    def __init__(self, bus: BusSettings) -> None:
        self._bus = bus
        self._asking = asyncio.Lock()

    async def lag(self, _: Call) -> Answer:
        """Asked of Kafka each time, by one request at a time."""
        if not self._bus.bootstrap:
            raise Problem("not-set-up", "this server has no Kafka", fix="set bus.bootstrap")
        async with self._asking:
            found = await asyncio.to_thread(lag, self._bus)
        lines = [LagLine(each.topic, each.partition, each.end, each.committed, each.lag) for each in found]
        return answer(Lags(sum(each.lag for each in lines), lines))

    def operations(self) -> Iterator[Operation]:
        """It."""
        line = {"topic": "events", "partition": 0, "end": 17, "committed": 15, "lag": 2}
        yield Operation(
            "GET",
            "/v1/lag",
            self.lag,
            "How far the workers are behind, for each partition.",
            {200: Example("now", Lags, {"total": 2, "partitions": [line]})},
            scope="read",
            problems=("unavailable", "misconfigured", "not-set-up"),
            is_slow=True,
        )
