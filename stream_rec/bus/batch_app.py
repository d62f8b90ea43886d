"""A Faust app all of whose topics come in batches (stream_rec.bus.transport)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import Message

from stream_rec.bus.batch import Fetched
from stream_rec.bus.credentials import faust_credentials
from stream_rec.bus.epochs import Epochs
from stream_rec.bus.transport import BatchConsumer, Owner, Transport
from stream_rec.settings import BusSettings


class BatchSchema(faust.Schema):  # type: ignore[misc]
    """Hands keys and values over as they are: decoding is the handlers' business."""

    def loads_key(self, _app: Any, message: Message, **_: Any) -> Any:
        """None: a batch has many keys."""
        return message.key

    def loads_value(self, _app: Any, message: Message, **_: Any) -> Any:
        """The `Fetched`."""
        return message.value


class _Boot(BootStrategy):  # type: ignore[misc]
    """Starts the consumer and the agents: no producer (our own is confluent-kafka's), no web server."""

    enable_kafka_producer = False
    enable_web = False


class Patient(Recovery):  # type: ignore[misc]
    """Waits for Kafka in a rebalance.

    Faust's takes the end of its timeout for a stop of its own (findings/mode-timeout-is-told-as-a-stop.sh): streams
    would stay paused.
    """

    async def _wait(self, coro: Any, timeout: float | None = None) -> None:  # noqa: ARG002 - Faust's name
        """Until it is done, or another rebalance begins, or the process stops."""
        await super()._wait(coro)


class _NoTables(TableManager):  # type: ignore[misc]
    """Does not wait a second for tables to be declared."""

    _recovery: Patient | None

    @property
    def recovery(self) -> Patient:
        """What follows each rebalance."""
        if self._recovery is None:
            self._recovery = Patient(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Let the consumer subscribe, and the streams begin after each rebalance."""
        await self._update_channels()
        await self.recovery.start()


class Shutdown(Protocol):
    """Who ends the process when it cannot go on."""

    @property
    def failed(self) -> bool:
        """Has `fail` been called: nothing is acked after that."""
        ...

    def fail(self, error: BaseException) -> None:
        """End the process because of this."""


Agent = Callable[[Fetched, BatchConsumer], Awaitable[None]]
"""Takes a batch, and the consumer that acks it."""


class BatchApp(faust.App):  # type: ignore[misc]
    """A Faust app all of whose topics come in batches.

    Args:
        bus: addresses, limits and timeouts.
        epochs: the book that the consumer advances.
        owner: gets ready for partitions.
        shutdown: told of an exception that must end the process.
    """

    BootStrategy = _Boot

    def __init__(self, bus: BusSettings, epochs: Epochs, owner: Owner, shutdown: Shutdown) -> None:
        self.bus, self.epochs, self.owner, self.shutdown = bus, epochs, owner, shutdown
        super().__init__(
            bus.group,
            broker=[f"kafka://{address}" for address in bus.bootstrap.split(",")],
            broker_credentials=faust_credentials(bus.security),
            broker_session_timeout=bus.session_timeout_seconds,
            broker_heartbeat_interval=min(1.0, bus.session_timeout_seconds / 3),
            broker_request_timeout=max(20.0, bus.session_timeout_seconds),
            broker_rebalance_timeout=max(10.0, bus.session_timeout_seconds),
            broker_commit_interval=bus.commit_interval_seconds,
            consumer_auto_offset_reset="earliest",
            consumer_metadata_max_age_ms=int(bus.metadata_seconds * 1000),
            consumer_max_fetch_size=bus.batch_max_bytes,
            stream_buffer_maxsize=bus.stream_buffer_batches,
            stream_wait_empty=True,
            TableManager=_NoTables,
            store="memory://",
            table_standby_replicas=0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            autodiscover=False,
        )

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)

    def _create_directories(self) -> None:
        """None are needed: there are no tables."""

    def batches(self, topic: str, agent: Agent) -> None:
        """Give `agent` every batch of a topic, one at a time, in log order within a partition.

        Args:
            topic: full name.
            agent: a coroutine function; the next batch comes when it returns. It does not ack by returning: it calls
                `consumer.ack` when the batch is done. What it raises ends the process.
        """

        async def run(stream: faust.StreamT[Fetched]) -> None:
            stream.enable_acks = False
            try:
                async for batch in stream:
                    await agent(batch, self.consumer)
            except Exception as error:
                self.shutdown.fail(error)
                raise

        name = f"{agent.__module__}.{getattr(agent, '__qualname__', topic)}"
        # As `self.agent` does, but for a note of where in the code it stands, for those who scan modules for agents:
        # to make it, `inspect` resolves the path of every module there is, and half of a start went into that.
        made = self.conf.Agent(
            run,
            name=f"{name}[{topic}]",
            app=self,
            channel=self.topic(topic, schema=BatchSchema()),
            on_error=self._on_agent_error,
        )
        self.agents[made.name] = made
        self.topics.beacon.add(made)
