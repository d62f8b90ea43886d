"""What workers publish: slates, metric points, dead letters. Each batch waits for its own delivery reports."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_rec.bus.clients import producer_config
from stream_rec.bus.stalls import PURGED, Stall
from stream_rec.clock import Clock, SystemClock
from stream_rec.consumers.output.refusals import Refusals, Verdict
from stream_rec.errors import ConfigError
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings

_POLL_SECONDS = 0.1
_FULL_PAUSE_SECONDS = 0.005
_AGAIN_SECONDS = 0.5
"""Between two attempts to send what is refused for now."""


class Outgoing(NamedTuple):
    """One record to publish; value None = its key is taken back."""

    topic: TopicName
    key: bytes
    value: bytes | None


class Receipt:
    """Stands for n records on their way. Bound to the loop in which it was made.

    Args:
        n: number of records.
        loop: of who waits.
        place: of the batch that they come from, for the log.

    Attributes:
        place: the same.
        lost: records that Kafka refuses for good, by topic; complete once all are delivered.
    """

    def __init__(self, n: int, loop: asyncio.AbstractEventLoop, place: str = "") -> None:
        self.place = place
        self.lost: Counter[TopicName] = Counter()
        self._waiting = n
        self._loop = loop
        self._error: KafkaError | None = None
        self._delivered: asyncio.Future[None] = loop.create_future()
        self._lock = threading.Lock()
        if not n:
            self._delivered.set_result(None)

    async def delivered(self) -> None:
        """Return when the bus has all of them but those that are lost. May be called again after it was cancelled.

        Raises:
            KafkaException: the client can send nothing any more.
        """
        await asyncio.shield(self._delivered)
        if self._error is not None:
            raise KafkaException(self._error)

    def settle(self, *, lost: TopicName | None = None, fatal: KafkaError | None = None) -> None:
        """One record is delivered, or lost to a topic, or the client has failed. From any thread."""
        with self._lock:
            if lost is not None:
                self.lost[lost] += 1
            self._error = self._error or fatal
            self._waiting -= 1
            is_last = not self._waiting
        if is_last:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self._delivered.done():
            self._delivered.set_result(None)


class _Pending(NamedTuple):
    """A record on its way."""

    record: Outgoing
    receipt: Receipt


class Emitter:
    """Publishes from one event loop. Its queue is bounded; while the broker is away, records wait in it.

    A record is retried inside the client for as long as it takes, in order and without duplicates: who waits for
    the receipt decides when to give up. What is not delivered then comes again with its batch. What Kafka refuses is
    judged by `Refusals`; what is sent again or alone loses its place in the order.

    Args:
        bus: where to.
        clock: processing time.

    Raises:
        ConfigError: the settings name no broker, or security settings are wrong.
    """

    def __init__(self, bus: BusSettings, clock: Clock | None = None) -> None:
        self._bus = bus
        self._clock = clock or SystemClock()
        self._producer = _made(bus)
        self._alone: Producer | None = None
        self._retired: list[Producer] = []
        self._stall = Stall(bus, self._clock)
        self._n_acked = 0
        self._refusals = Refusals(bus, self._clock)
        self._again: deque[tuple[float, _Pending]] = deque()
        self._again_alone: deque[_Pending] = deque()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="emit", daemon=True)
        self._thread.start()

    async def send(self, records: Iterable[Outgoing], place: str = "") -> Receipt:
        """Queue records in order; waits while the queue is full.

        Args:
            records: what to publish.
            place: of the batch that they come from, for the log.
        """
        todo = list(records)
        receipt = Receipt(len(todo), asyncio.get_running_loop(), place)
        for record in todo:
            pending = _Pending(record, receipt)
            if self._refusals.wants_alone(record.topic):
                self._again_alone.append(pending)
                while len(self._again_alone) > self._bus.publish_queue_records:
                    await asyncio.sleep(_FULL_PAUSE_SECONDS)
                continue
            while not self._queued(self._producer, pending):
                await asyncio.sleep(_FULL_PAUSE_SECONDS)
        return receipt

    def close(self, seconds: float) -> int:
        """Wait for the queue to drain, this many seconds at most; the number of records left in it."""
        end = self._clock.monotonic() + seconds
        left = self._left(end)
        while left and self._clock.monotonic() < end:
            left = self._left(end)
        self._closed.set()
        self._thread.join(2 * _POLL_SECONDS)
        return left

    def _left(self, end: float) -> int:
        seconds = min(_POLL_SECONDS, max(0.0, end - self._clock.monotonic()))
        left: int = self._producer.flush(seconds)
        if self._alone is not None:
            left += self._alone.flush(seconds)
        return left + len(self._again) + len(self._again_alone)

    def _poll(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(_POLL_SECONDS)
            if self._again or self._again_alone or self._alone is not None:
                self._send_again()
            if self._stall.is_one(is_waiting=self._n_with_client() > 0, progress=self._n_acked):
                self._begin_anew()
            for producer in self._retired:
                if len(producer):  # what it still has comes back, to be sent again
                    producer.purge(blocking=False)
                    producer.poll(0)

    def _n_with_client(self) -> int:
        return len(self._producer) + (len(self._alone) if self._alone is not None else 0)

    def _begin_anew(self) -> None:
        """The old producers are kept until the next time: somebody may just be giving them a record."""
        self._retired = [each for each in (self._producer, self._alone) if each is not None]
        self._producer, self._alone = _made(self._bus), None

    def _send_again(self) -> None:
        now = self._clock.monotonic()
        while self._again and self._again[0][0] <= now and self._queued(self._producer, self._again[0][1]):
            self._again.popleft()
        if self._again_alone:
            self._alone = self._alone or _made(self._bus, {"batch.num.messages": 1, "linger.ms": 0})
            while self._again_alone and self._queued(self._alone, self._again_alone[0]):
                self._again_alone.popleft()
        if self._alone is not None:
            self._alone.poll(0)

    def _queued(self, producer: Producer, pending: _Pending) -> bool:
        """Take a record off the caller's hands; False = there is no room now."""
        record = pending.record
        is_alone = producer is self._alone
        report = partial(self._reported, pending, is_alone)
        try:
            producer.produce(
                full_name(self._bus.prefix, record.topic), record.value, record.key, on_delivery=report
            )
        except BufferError:
            return False
        except KafkaException as error:
            # The client itself refuses only what no batch can hold.
            self._refused(pending, error.args[0], is_alone=True)
        return True

    def _reported(
        self, pending: _Pending, is_alone: bool, error: KafkaError | None, _message: Message
    ) -> None:
        """One delivery report, from the thread that polls or drains."""
        if error is None:
            self._n_acked += 1
            self._refusals.accepted(pending.record.topic)
            pending.receipt.settle()
        elif error.code() in PURGED:
            self._again.append((self._clock.monotonic(), pending))
        else:
            self._refused(pending, error, is_alone=is_alone)

    def _refused(self, pending: _Pending, error: KafkaError, *, is_alone: bool) -> None:
        topic, key, value = pending.record
        if error.fatal():
            pending.receipt.settle(fatal=error)
            return
        verdict = self._refusals.judge(topic, error, was_alone=is_alone)
        if verdict is Verdict.AGAIN:
            self._again.append((self._clock.monotonic() + _AGAIN_SECONDS, pending))
        elif verdict is Verdict.ALONE:
            self._again_alone.append(pending)
        else:
            self._refusals.tell_lost(topic, error, (key, value or b""), pending.receipt.place)
            pending.receipt.settle(lost=topic)


def _made(bus: BusSettings, more: dict[str, Any] | None = None) -> Producer:
    config = {
        **producer_config(bus),
        "message.timeout.ms": 0,
        # A topic that is gone: by itself the client waits a minute before it says so.
        "topic.metadata.propagation.max.ms": int(min(30.0, bus.publish_timeout_seconds) * 1000),
        "linger.ms": bus.publish_linger_ms,
        "queue.buffering.max.messages": bus.publish_queue_records,
        "queue.buffering.max.kbytes": max(1, bus.publish_queue_bytes // 1024),
        "log_level": 3,
        **(more or {}),
    }
    try:
        # Not to stderr, where nobody bounds it: a broker that is away makes four lines a second.
        return Producer(config, logger=logging.getLogger("librdkafka"))
    except KafkaException as error:
        raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error
