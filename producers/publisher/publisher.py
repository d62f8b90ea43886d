"""Publish records, and know where they went."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from functools import partial
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaException, Producer

from stream_rec.bus.clients import producer_config
from stream_rec.bus.lag import OffsetReader
from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError, ContractError, StreamRecError, Unavailable
from stream_rec.producers.publisher.delivery_reports import Deliveries
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import PublishedRecord, TopicName
from stream_rec.schemas.topics import Ack, check, full_name, key_of, topic_of
from stream_rec.schemas.validation import check_space, required
from stream_rec.schemas.vector_changes import vector_key
from stream_rec.settings import BusSettings, IngestSettings

_GRACE_SECONDS = 2.0
"""The client reports a timed-out record at its deadline; waiting ends this much later."""

_POLL_SECONDS = 0.05


class Publisher:
    """Sends events, items and impressions, each to its topic.

    Idempotent: a retry inside the client never writes a record twice, and records of one key stay in order.
    Every record is acknowledged, or raises; none is dropped silently. Use from one thread, as a context
    manager: leaving it waits for everything that was sent.

        with Publisher(settings.bus) as publisher:
            ack = publisher.publish(Interaction("u1", "i7", "view", ts))

    Args:
        bus: address and limits.
        ingest: the limits that the workers will apply; a record beyond them is refused here already. How far
            ts is from the broker's timestamp is judged only by the workers.
        clock: measures deadlines.

    Raises:
        ConfigError: the settings name no broker, or security settings are wrong.
    """

    def __init__(
        self, bus: BusSettings, ingest: IngestSettings | None = None, *, clock: Clock | None = None
    ) -> None:
        self._bus = bus
        self._rules = ingest or IngestSettings()
        self._clock = clock or SystemClock()
        self._known: set[TopicName] = set()
        self._deliveries = Deliveries(bus)
        self._producer = self._connect()

    def publish(self, record: PublishedRecord) -> Ack:
        """Send one record and wait until the bus has it.

        Raises:
            ContractError: the record breaks the contract, or is larger than the topic takes; it was not
                written.
            Unavailable: not acknowledged within `bus.publish_timeout_seconds`. Whether it was written is
                unknown.
            ConfigError: the topic does not exist, access to it is refused, or it takes less than
                `bus.max_message_bytes` and refused a whole batch, of which nothing was written.
        """
        return self.publish_all([record])[0]

    def publish_all(self, records: Iterable[PublishedRecord]) -> list[Ack]:
        """Send many records and wait until the bus has them all.

        Returns:
            In the order of the records.

        Raises:
            ContractError: as `publish`, for the first bad one; those before it may have been written.
            Unavailable: as `publish`; any of them may have been written.
            ConfigError: as `publish`.
        """
        acks: dict[int, Ack] = {}
        n = 0
        for n, record in enumerate(records, start=1):
            self.send(record, partial(acks.__setitem__, n - 1))
        self._wait(lambda: len(acks) == n, f"{n} records")
        return [acks[i] for i in range(n)]

    def remove_item(self, item_id: str) -> Ack:
        """Take an item out of the catalogue. Raises as `publish`."""
        required("item_id", item_id, self._rules)
        return self._remove("items", item_id)

    def remove_vector(self, space: str, item_id: str) -> Ack:
        """Take an item out of a vector space. Raises as `publish`."""
        check_space(space)
        required("item_id", item_id, self._rules)
        return self._remove("vectors", vector_key(space, item_id))

    def take_back(self, kind: str, name: str) -> Ack:
        """Take a decision back. Raises as `publish`."""
        return self._remove("control", f"{kind}/{name}")

    def remove_letters(self, keys: Collection[bytes]) -> None:
        """Overrule dead letters, by their keys: the broker removes them when it compacts. Raises as `publish`."""
        acks: list[Ack] = []
        for key in keys:
            self.send_raw("dead-letters", key, None, acks.append)
        self._wait(lambda: len(acks) == len(keys), "the removals")

    def _remove(self, topic: TopicName, key: str) -> Ack:
        acks: list[Ack] = []
        self.send_raw(topic, key.encode(), None, acks.append)
        self._wait(lambda: bool(acks), "the removal")
        return acks[0]

    def send(self, record: PublishedRecord, on_ack: Callable[[Ack], None] | None = None) -> None:
        """Queue one record and return; `on_ack` is called when the bus has it, from inside a later call.

        The queue is bounded (`bus.publish_queue_records`, `bus.publish_queue_bytes`): when it is full, this
        waits.

        Raises:
            ContractError: this record breaks the contract (nothing was queued), or an earlier one was
                refused.
            Unavailable: delivery of an earlier record timed out, or the queue stayed full for
                `bus.publish_timeout_seconds`.
            ConfigError: as `publish`.
        """
        key, value = self.checked(record)
        self.send_raw(topic_of(record), key, value, on_ack)

    def checked(self, record: PublishedRecord) -> tuple[bytes, bytes]:
        """Key and value of a record as they go on the wire.

        Raises:
            ContractError: it breaks the contract.
        """
        check(record, self._rules)
        try:
            value = encode(record)
        except UnicodeEncodeError as error:
            raise ContractError("not_utf8", str(error)) from None
        if len(value) > self._rules.max_record_bytes:
            limit = self._rules.max_record_bytes
            raise ContractError("record_too_large", f"{len(value)} bytes, {limit} are allowed")
        return key_of(record), value

    def send_raw(
        self,
        topic: TopicName,
        key: bytes | None,
        value: bytes | None,
        on_ack: Callable[[Ack], None] | None = None,
    ) -> None:
        """Queue bytes as they are, unchecked; otherwise as `send`."""
        self._raise_failure()
        if topic not in self._known:
            self._check_topic(topic)
        report = partial(self._deliveries.reported, topic, on_ack) if on_ack else self._deliveries.counted
        full = full_name(self._bus.prefix, topic)
        deadline = self._clock.monotonic() + self._bus.publish_timeout_seconds + _GRACE_SECONDS
        while True:
            try:
                self._producer.produce(full, key=key, value=value, on_delivery=report)
                break
            except BufferError:
                self._producer.poll(_POLL_SECONDS)
                if self._clock.monotonic() > deadline:
                    raise self._deliveries.gave_up("the queue stayed full") from None
            except KafkaException as error:
                raise self._deliveries.ours(error.args[0], len(value or b"")) from error
        self._deliveries.queued()
        self._producer.poll(0)

    def poll(self, seconds: float = 0.0) -> None:
        """Serve delivery reports for about `seconds`; callbacks run here."""
        # librdkafka waits for whole milliseconds: what is less would not wait at all, and callers would spin.
        self._producer.poll(math.ceil(seconds * 1000) / 1000)

    def __len__(self) -> int:
        """Records sent and not yet acknowledged."""
        return self._deliveries.n_waiting

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Wait until everything that was sent is acknowledged.

        Args:
            timeout_seconds: None = `bus.publish_timeout_seconds`.

        Raises:
            ContractError: a record was refused by the bus.
            ConfigError: as `publish`.
            Unavailable: delivery timed out, or records are still unacknowledged; says how many.
        """
        self._wait(lambda: not len(self), "all records", timeout_seconds)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        except StreamRecError as unsent:
            if error is None:
                raise
            error.add_note(f"besides, not everything was published: {unsent}")

    def _connect(self) -> Producer:
        if not self._bus.bootstrap:
            fix = "set bus.bootstrap, or start the embedded broker: `stream-rec up`"
            raise ConfigError("no Kafka address", fix=fix)
        config: dict[str, Any] = {
            **producer_config(self._bus),
            "linger.ms": self._bus.publish_linger_ms,
            "queue.buffering.max.messages": self._bus.publish_queue_records,
            "queue.buffering.max.kbytes": max(1, self._bus.publish_queue_bytes // 1024),
            "error_cb": self._deliveries.trouble,
            "log_level": 0,  # what goes wrong is raised
        }
        try:
            return Producer(config)
        except KafkaException as error:
            raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error

    def _check_topic(self, topic: TopicName) -> None:
        """Refuse a topic that is not there, and wait until all its partitions serve.

        Brokers would make a missing one, with the wrong number of partitions. And a leader that is not there yet may
        refuse the first batch of a producer and take the second: records of one key would change their order.
        """
        seconds = min(self._bus.admin_timeout_seconds, self._bus.publish_timeout_seconds)
        OffsetReader(self._bus.model_copy(update={"admin_timeout_seconds": seconds})).starts([topic])
        self._known.add(topic)

    def _wait(self, done: Callable[[], bool], what: str, timeout_seconds: float | None = None) -> None:
        timeout = (
            self._bus.publish_timeout_seconds + _GRACE_SECONDS if timeout_seconds is None else timeout_seconds
        )
        deadline = self._clock.monotonic() + timeout
        # One failure does not end it: the error says how many failed, once all reports are there.
        while not done() and len(self):
            if self._clock.monotonic() > deadline:
                self._raise_failure(len(self))
                failure = self._deliveries.gave_up(f"{len(self)} of {what} are not acknowledged")
                if timeout_seconds is None:  # else they are waited for by the next call
                    self._begin_anew(are_told=True)
                raise failure
            self._producer.flush(_POLL_SECONDS)  # unlike a poll, it does not linger
        self._raise_failure()

    def _raise_failure(self, n_unreported: int = 0) -> None:
        try:
            self._deliveries.raise_failure(n_unreported)
        except Unavailable:
            self._begin_anew(are_told=n_unreported > 0)
            raise

    def _begin_anew(self, *, are_told: bool) -> None:
        """The next call gets another producer: this one may have lost sight of the cluster (`bus.stalls`).

        What is not acknowledged is given up: the caller hears of it now, or else from the next call.
        """
        self._producer.purge()
        self._producer.flush(_GRACE_SECONDS)
        if are_told:
            self._deliveries = Deliveries(self._bus)
        self._producer = self._connect()
