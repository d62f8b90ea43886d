"""Delivery reports of a producer, and Kafka's errors as ours."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message

from stream_rec.bus.clients import translated
from stream_rec.errors import ConfigError, ContractError, StreamRecError, Unavailable
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import UNKNOWN_OFFSET, Ack
from stream_rec.settings import BusSettings

_RECORD_OVERHEAD = 1024
"""Bytes, at most, of a key and of what Kafka adds to a record that is alone in its batch."""


class Deliveries:
    """Counts the delivery reports of one producer, and keeps the first failure until it is raised.

    Args:
        bus: settings of the producer; named in errors.
    """

    def __init__(self, bus: BusSettings) -> None:
        self._bus = bus
        self.n_waiting = 0
        """Records queued whose report has not come. (The client's own length counts its error events, too.)"""
        self._n_failed = 0
        self._first_failure: StreamRecError | None = None
        self._last_trouble: KafkaError | None = None

    def queued(self) -> None:
        """A record was given to the client: one report will come."""
        self.n_waiting += 1

    def counted(self, error: KafkaError | None, message: Message) -> None:
        """The report of a record that nobody waits for."""
        self.n_waiting -= 1
        if error is not None:
            self._n_failed += 1
            self._first_failure = self._first_failure or self.ours(error, len(message))

    def reported(
        self, topic: TopicName, on_ack: Callable[[Ack], None], error: KafkaError | None, message: Message
    ) -> None:
        """The report of a record that somebody waits for."""
        self.counted(error, message)
        if error is None:
            offset = message.offset()
            on_ack(Ack(topic, message.partition(), UNKNOWN_OFFSET if offset is None else offset))

    def trouble(self, error: KafkaError) -> None:
        """A client-level error, such as a lost connection: the likely cause of the next delivery failure."""
        self._last_trouble = error

    def raise_failure(self, n_unreported: int = 0) -> None:
        """Raise what happened to the first record that failed since the last call; nothing, if none did.

        Args:
            n_unreported: records that are given up without a report; the error counts them, too.
        """
        if self._first_failure is None:
            return
        failure, n = self._first_failure, self._n_failed + n_unreported
        self._first_failure, self._n_failed = None, 0
        if n > 1:
            failure.add_note(f"{n} records were not acknowledged; this is what happened to the first")
        raise failure

    def ours(self, error: KafkaError, n_bytes: int) -> StreamRecError:
        """Kafka's error on a record of `n_bytes` as one of ours."""
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return self._too_large(n_bytes)
        if error.code() == KafkaError._MSG_TIMED_OUT:
            return self.gave_up("a record was not acknowledged in time")
        return translated(KafkaException(error), self._bus, 0.0)

    def _too_large(self, n_bytes: int) -> StreamRecError:
        """The record is too large; or a batch is, of records that are not.

        Kafka refuses a batch whole, and librdkafka 2.16.1 makes batches of up to `message.max.bytes` and does not split
        one that was refused.
        """
        limit = self._bus.max_message_bytes
        if n_bytes > limit - _RECORD_OVERHEAD:
            return ContractError("message_too_large", f"{n_bytes} bytes; the topic takes {limit} at most")
        return ConfigError(
            f"Kafka at {self._bus.bootstrap} refused a batch with a record of {n_bytes} bytes as too large: a topic's "
            f"max.message.bytes is below bus.max_message_bytes ({limit}), up to which records are sent together; "
            "nothing of the batch was written",
            fix=f"kafka-configs.sh --alter --topic TOPIC --add-config max.message.bytes={limit}, or set "
            "bus.max_message_bytes to what the topic takes",
        )

    def gave_up(self, what: str) -> StreamRecError:
        """The error for records that were not acknowledged in time, with the likely cause."""
        waited = self._bus.publish_timeout_seconds
        if self._last_trouble is None:
            return Unavailable("kafka", f"{self._bus.bootstrap}: {what}", waited_seconds=waited)
        ours = translated(KafkaException(self._last_trouble), self._bus, waited)
        if isinstance(ours, Unavailable):
            return Unavailable("kafka", f"{ours.detail}; {what}", waited_seconds=waited)
        return ours
