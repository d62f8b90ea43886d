"""How far the workers are behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.bus.lag import lag
from stream_rec.settings import BusSettings


class Line(msgspec.Struct, frozen=True):
    """One partition.

    Attributes:
        topic: without the tenant's prefix.
        partition: of that topic.
        end: the next offset to be written.
        committed: the next offset that the workers will handle; null = they have committed nothing.
        lag: records that they have still to handle.
    """

    topic: str
    partition: int
    end: int
    committed: int | None
    lag: int


class Lags(msgspec.Struct, frozen=True):
    """All partitions.

    Attributes:
        total: of their lags.
        partitions: line by line.
    """

    total: int
    partitions: Sequence[Line]


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
        lines = [Line(each.topic, each.partition, each.end, each.committed, each.lag) for each in found]
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
