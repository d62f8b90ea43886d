"""Publish records from an event loop: nothing waits for room, and each record's fate is told apart."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_rec.bus.clients import is_silence, producer_config
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stalls import PURGED, Stall
from stream_rec.clock import SystemClock
from stream_rec.errors import ConfigError, StreamRecError, Unavailable
from stream_rec.producers.publisher.delivery_reports import Deliveries
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import Ack, full_name
from stream_rec.settings import BusSettings

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 2.0
"""The client reports a timed-out record at its deadline; closing waits this much longer."""

_UNKNOWN = (KafkaError._MSG_TIMED_OUT, *PURGED)

Fate = Ack | StreamRecError
"""What became of a record: where it stands, or why it was not acknowledged."""


class QueueFull(StreamRecError):
    """`bus.publish_queue_records` or `bus.publish_queue_bytes` are waiting for Kafka: try again in a moment."""


class Shipment:
    """Records that are sent together, and their fates.

    Args:
        loop: of whoever waits.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fates: list[tuple[int, Fate]] = []
        self._n: int | None = None
        self._all_told: asyncio.Future[None] = loop.create_future()

    async def fates(self, n: int) -> dict[int, Fate]:
        """The fates of the n records that were sent, by the number each was sent under."""
        self._n = n
        if len(self._fates) < n:
            await self._all_told
        return dict(self._fates)

    def told(self, number: int, fate: Fate) -> None:
        """A record's fate; called in the thread that serves delivery reports."""
        self._fates.append((number, fate))
        if len(self._fates) == self._n:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self._all_told.done():
            self._all_told.set_result(None)


class AsyncPublisher:
    """A producer for asyncio. Use it in one event loop, and close it.

    Idempotent, records of one key stay in order, and every record that was sent is acknowledged or has an error within
    `bus.publish_timeout_seconds`.

    Args:
        bus: address and limits.

    Raises:
        ConfigError: the settings name no broker, or security settings are wrong.
    """

    def __init__(self, bus: BusSettings) -> None:
        self._bus = bus
        self._deliveries = Deliveries(bus)
        self._producer = self._connect()
        self._retired: Producer | None = None
        self._stall = Stall(bus, SystemClock())
        self._n_acked = 0
        self._has_timed_out = False
        self._checks: dict[TopicName, asyncio.Task[None]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve_reports, name="delivery-reports", daemon=True)
        self._thread.start()

    async def ready(self, topic: TopicName) -> None:
        """Return when the topic is known to be there, with all its partitions served.

        Brokers would make a missing one, with the wrong number of partitions.

        Raises:
            ConfigError: there is no such topic, or access is refused.
            Unavailable: Kafka does not answer.
        """
        check = self._checks.get(topic)
        if check is None or (check.done() and (check.cancelled() or check.exception())):
            check = self._checks[topic] = asyncio.create_task(asyncio.to_thread(self._look, topic))
        await asyncio.shield(check)

    def shipment(self) -> Shipment:
        """A new one, for records that somebody waits for together."""
        return Shipment(asyncio.get_running_loop())

    def send(self, topic: TopicName, key: bytes, value: bytes | None, to: Shipment, number: int) -> None:
        """Queue a record of a topic that is `ready`; its fate goes to the shipment under this number.

        Raises:
            QueueFull: it was not sent.
            StreamRecError: the client refuses it; it was not sent.
        """
        report = partial(self._reported, topic, to, number)
        try:
            self._producer.produce(full_name(self._bus.prefix, topic), value, key, on_delivery=report)
        except BufferError:
            raise QueueFull(
                f"{len(self._producer)} records wait for Kafka at {self._bus.bootstrap}"
            ) from None
        except KafkaException as error:
            raise self._ours(error.args[0], len(value or b"")) from error

    async def close(self) -> None:
        """Wait for what was sent, at most `bus.publish_timeout_seconds` and a moment, and end."""
        seconds = self._bus.publish_timeout_seconds + _GRACE_SECONDS
        await asyncio.to_thread(self._producer.flush, seconds)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def _serve_reports(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_POLL_SECONDS)
            is_waiting = self._has_timed_out or len(self._producer) > 0
            if self._stall.is_one(is_waiting=is_waiting, progress=self._n_acked):
                # The old one is kept until the next time: somebody may just be giving it a record.
                self._retired, self._producer = self._producer, self._connect()
                self._has_timed_out = False
            if self._retired is not None and len(self._retired):
                self._retired.purge(blocking=False)
                self._retired.poll(0)

    def _reported(
        self, topic: TopicName, to: Shipment, number: int, error: KafkaError | None, message: Message
    ) -> None:
        if error is None:
            self._n_acked += 1
            self._has_timed_out = False
            to.told(number, Ack(topic, message.partition(), message.offset()))
        else:
            self._has_timed_out = self._has_timed_out or error.code() == KafkaError._MSG_TIMED_OUT
            to.told(number, self._ours(error, len(message)))

    def _ours(self, error: KafkaError, n_bytes: int) -> StreamRecError:
        """Kafka's error as ours, at once: reports of other records wait behind this one."""
        if error.code() in _UNKNOWN or is_silence(error):
            waited = self._bus.publish_timeout_seconds
            said = f"{self._bus.bootstrap}: not acknowledged; whether it was written is not known"
            return Unavailable("kafka", said, waited_seconds=waited)
        return self._deliveries.ours(error, n_bytes)

    def _look(self, topic: TopicName) -> None:
        seconds = min(self._bus.admin_timeout_seconds, self._bus.publish_timeout_seconds)
        OffsetReader(self._bus.model_copy(update={"admin_timeout_seconds": seconds})).starts([topic])

    def _connect(self) -> Producer:
        if not self._bus.bootstrap:
            raise ConfigError("no Kafka address", fix="set bus.bootstrap")
        try:
            return Producer(
                {
                    **producer_config(self._bus),
                    "linger.ms": self._bus.publish_linger_ms,
                    "queue.buffering.max.messages": self._bus.publish_queue_records,
                    "queue.buffering.max.kbytes": max(1, self._bus.publish_queue_bytes // 1024),
                    "error_cb": self._deliveries.trouble,  # each record has its own report
                }
            )
        except KafkaException as error:
            raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error
