"""What is done with the records of one topic: one handler each, which knows neither Faust nor Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.output.emitter import Receipt
from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import TopicName

Work = TypeVar("Work")


class Handler(Protocol[Work]):
    """What is done with the batches of one topic."""

    def decode(self, fetched: Fetched) -> Work:
        """Read the batch. Main thread; does not wait."""

    def learn(self, engine: Engine, work: Work) -> None:
        """All that the engine does for the batch. Engine's thread.

        Raises:
            GapError: the engine misses events before the batch; nothing was learned.
        """

    async def write(self, work: Work, stop: asyncio.Event, /) -> Receipt:
        """Write results. Main thread; called in log order, one batch at a time.

        Returns:
            For what was published.

        Raises:
            WaitEnded: the stop came before it was done.
        """

    def measure(self, work: Work) -> None:
        """All is written and published. Engine's thread; in order within a partition."""

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn from a batch that others have served: nothing is written or measured. Engine's thread."""


Handlers = Mapping[TopicName, Handler[Any]]
"""By topic, without the prefix."""
