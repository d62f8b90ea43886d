"""Where the bridge's records go: one producer, which retries for as long as it takes."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from stream_rec.bus.clients import producer_config, translated
from stream_rec.consumers.bridge.ledger import Batch, Refusal
from stream_rec.consumers.bridge.outages import Outages, kafka
from stream_rec.consumers.bridge.translator import Record
from stream_rec.errors import ConfigError, StreamRecError
from stream_rec.schemas.topics import TOPICS, full_name
from stream_rec.settings import BusSettings

_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_MSG_SIZE)


class Output:
    """Publishes, idempotent and in order. While Kafka is away records wait in the client's queue, which is bounded.

    Args:
        bus: where to.
        outages: is told of trouble.

    Attributes:
        service: what the cluster is called in outages.

    Raises:
        ConfigError: the settings name no broker, or security settings are wrong.
    """

    def __init__(self, bus: BusSettings, outages: Outages) -> None:
        self._bus = bus
        self._outages = outages
        self.service = kafka(bus)
        self._names = {name: full_name(bus.prefix, name) for name in TOPICS}
        self._producer = self._made()

    def send(self, records: list[Record], batch: Batch) -> int:
        """Hand records over in order, as far as there is room; how many were.

        Raises:
            ConfigError: the client refuses a record as larger than `bus.max_message_bytes`.
        """
        produce, report, names = self._producer.produce, batch.reported, self._names
        n = 0
        try:
            for topic, key, value in records:
                produce(names[topic], value, key, on_delivery=report)
                n += 1
        except BufferError:
            pass
        except KafkaException as error:
            _, _, value = records[n]
            raise self.refused(Refusal(error.args[0], len(value or b""))) from error
        batch.n_records += n
        batch.n_waiting += n
        return n

    def poll(self, seconds: float = 0.0) -> None:
        """Serve delivery reports for about so long."""
        self._producer.poll(seconds)

    def renew(self) -> None:
        """Drop what is not sent yet: it is others' now. What is on its way may still arrive, as repeats do."""
        self._producer.purge(blocking=False)
        self._producer.poll(0)  # a report that nobody takes would keep its batch
        self._producer = self._made()

    def refused(self, refusal: Refusal) -> StreamRecError:
        """Why a record was not acknowledged, as an error of ours. The bridge ends by it: nothing is dropped."""
        error = refusal.error
        if error.code() in _TOO_LARGE:
            return ConfigError(
                f"Kafka at {self._bus.bootstrap} refuses a batch with a record of {refusal.n_bytes} bytes as too large",
                fix="raise max.message.bytes of our topics to bus.max_message_bytes "
                f"({self._bus.max_message_bytes}): `stream-rec doctor` compares them",
            )
        if error.code() in (KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART):
            return ConfigError(
                f"Kafka at {self._bus.bootstrap} has lost a topic of ours: {error.str()}",
                fix="start again: the bridge creates it",
            )
        return translated(KafkaException(error), self._bus, 0.0)

    def _made(self) -> Producer:
        bus = self._bus
        config: dict[str, Any] = {
            **producer_config(bus),
            "message.timeout.ms": 0,
            # A topic that is gone: by itself the client waits a minute before it says so.
            "topic.metadata.propagation.max.ms": int(min(30.0, bus.publish_timeout_seconds) * 1000),
            "linger.ms": bus.publish_linger_ms,
            "queue.buffering.max.messages": bus.publish_queue_records,
            "queue.buffering.max.kbytes": max(1, bus.publish_queue_bytes // 1024),
            "reconnect.backoff.max.ms": int(bus.backoff_max_seconds * 1000),
            "error_cb": self._trouble,
        }
        if not bus.bootstrap:
            fix = "set bus.bootstrap, or start the embedded broker: `stream-rec up`"
            raise ConfigError("no Kafka address", fix=fix)
        try:
            return Producer(config)
        except KafkaException as error:
            raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error

    def _trouble(self, error: KafkaError) -> None:
        self._outages.heard(error, self._bus)
