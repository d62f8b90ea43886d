"""A bare consumer on the batch transport, in a process of its own: acks every batch, and notes when and which.

    python -m tests.bus.transport_process BOOTSTRAP TOPIC GROUP SESSION_SECONDS NOTES [stopped | hasty | PID]

Each line of NOTES is an ack: seconds (monotonic), partition, start, next. With `stopped` the agent takes one batch
and never ends it. With `hasty` the broker has 1 ms for a fetch at first. With the process id of the broker that is
stopped (SIGSTOP) when partitions were assigned, before it is asked where to begin in them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from stream_rec.bus.batch import Fetched
from stream_rec.bus.batch_app import BatchApp
from stream_rec.bus.epochs import Epochs
from stream_rec.bus.transport import BatchConsumer
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import BusSettings


class Ready:
    """An owner who needs no time to get ready."""

    async def assigned(
        self, starts: Mapping[TopicPartition, int | None], open_: Callable[[Iterable[TopicPartition]], None]
    ) -> None:
        open_(starts)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None: ...


class Ended(asyncio.Event):
    """Set when the process is to end."""

    @property
    def failed(self) -> bool:
        return self.is_set()

    def fail(self, _: BaseException) -> None:
        self.set()


async def main(bootstrap: str, topic: str, group: str, session: str, notes: str, mode: str = "") -> None:
    ended = Ended()
    bus = BusSettings(bootstrap=bootstrap, group=group, session_timeout_seconds=float(session))
    if mode == "hasty":
        bus = bus.model_copy(update={"fetch_wait_seconds": 0.001})
    app = BatchApp(bus, Epochs(), Ready(), ended)
    with open(notes, "w", buffering=1) as out:  # noqa: PTH123 - line by line, also when killed

        async def agent(batch: Fetched, consumer: BatchConsumer) -> None:
            if mode == "stopped":
                print("stopped", file=out)
                await ended.wait()
            assert consumer.ack(batch)
            print(time.monotonic(), batch.partition, batch.start, batch.next, file=out)

        app.batches(topic, agent)
        if mode.isdecimal():

            @app.on_rebalance_complete.connect
            async def stop_broker(*_: object, **__: object) -> None:
                os.kill(int(mode), signal.SIGSTOP)
                print("stopped", file=out)

        await app.start()
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
