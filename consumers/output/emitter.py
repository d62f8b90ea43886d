"""What workers publish: slates, metric points, dead letters. Each batch waits for its own delivery reports."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_rec.bus.clients import producer_config, translated
from stream_rec.errors import ConfigError, ContractError, StreamRecError
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings

_POLL_SECONDS = 0.1
_FULL_PAUSE_SECONDS = 0.005


class Outgoing(NamedTuple):
    """One record to publish."""

    topic: TopicName
    key: bytes
    value: bytes


class Receipt:
    """Stands for n records on their way. Bound to the loop in which it was made."""

    def __init__(self, n: int, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting = n
        self._loop = loop
        self._error: KafkaError | None = None
        self._delivered: asyncio.Future[None] = loop.create_future()
        if not n:
            self._delivered.set_result(None)

    async def delivered(self) -> None:
        """Return when the bus has all of them. May be called again after it was cancelled.

        Raises:
            KafkaException: the bus refused one for good.
        """
        await asyncio.shield(self._delivered)
        if self._error is not None:
            raise KafkaException(self._error)

    def report(self, error: KafkaError | None, _message: Message) -> None:
        """One delivery report, from the polling thread."""
        self._error = self._error or error
        self._waiting -= 1
        if not self._waiting:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self._delivered.done():
            self._delivered.set_result(None)


class Emitter:
    """Publishes from one event loop. Its queue is bounded; while the broker is away, records wait in it.

    A record is retried inside the client for as long as it takes, in order and without duplicates: who waits for
    the receipt decides when to give up. What is not delivered then comes again with its batch.

    Args:
        bus: where to.

    Raises:
        ConfigError: the settings name no broker, or security settings are wrong.
    """

    def __init__(self, bus: BusSettings) -> None:
        self._bus = bus
        config = {
            **producer_config(bus),
            "message.timeout.ms": 0,
            "linger.ms": bus.publish_linger_ms,
            "queue.buffering.max.messages": bus.publish_queue_records,
            "queue.buffering.max.kbytes": max(1, bus.publish_queue_bytes // 1024),
            "log_level": 3,
        }
        try:
            self._producer = Producer(config)
        except KafkaException as error:
            raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="emit", daemon=True)
        self._thread.start()

    async def send(self, records: Iterable[Outgoing]) -> Receipt:
        """Queue records in order; waits while the queue is full.

        Raises:
            StreamRecError: a record cannot be published at all (too large, no access): a setting is wrong.
        """
        todo = list(records)
        receipt = Receipt(len(todo), asyncio.get_running_loop())
        for record in todo:
            while not self._queued(record, receipt):
                await asyncio.sleep(_FULL_PAUSE_SECONDS)
        return receipt

    def _queued(self, record: Outgoing, receipt: Receipt) -> bool:
        topic = full_name(self._bus.prefix, record.topic)
        try:
            self._producer.produce(topic, record.value, record.key, on_delivery=receipt.report)
        except BufferError:
            return False
        except KafkaException as error:
            raise self.as_ours(error) from error
        return True

    def as_ours(self, error: KafkaException) -> StreamRecError:
        """What a refusal means to the operator."""
        if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return ContractError(
                "message_too_large", f"bus.max_message_bytes is {self._bus.max_message_bytes}"
            )
        return translated(error, self._bus, 0.0)

    def close(self, seconds: float) -> int:
        """Wait for the queue to drain, this many seconds at most; the number of records left in it."""
        left: int = self._producer.flush(seconds)
        self._closed.set()
        self._thread.join(2 * _POLL_SECONDS)
        return left

    def _poll(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(_POLL_SECONDS)
