"""How every client of ours meets Kafka: one configuration, and Kafka's errors as ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from stream_rec.bus.security import checked
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import BusSettings

Client = TypeVar("Client")

_FIXES = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow this user on the topics with our prefix (ACL)",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "allow this user to read the consumer group (ACL)",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "allow this user to create topics, or create them yourself",
    KafkaError.SASL_AUTHENTICATION_FAILED: "correct bus.security (user, password, mechanism)",
    KafkaError._AUTHENTICATION: "correct bus.security (user, password, mechanism)",
    KafkaError._SSL: "correct bus.security (certificates)",
    KafkaError.INVALID_REPLICATION_FACTOR: "set bus.replication to at most the number of brokers",
    KafkaError.TOPIC_EXCEPTION: "use letters, digits, '.', '_' and '-' in bus.prefix",
    KafkaError.INVALID_CONFIG: "the broker refuses a topic setting that it names above",
    KafkaError.POLICY_VIOLATION: "create the topics yourself, as the cluster's policy demands",
}
_PASSING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
}


def client_config(bus: BusSettings) -> dict[str, Any]:
    """What every librdkafka client needs: addresses and security. It is silent: what goes wrong is raised.

    Raises:
        ConfigError: `bus.security` is wrong.
    """
    return {"bootstrap.servers": bus.bootstrap, "log_level": 0, **checked(bus.security)}


def producer_config(bus: BusSettings) -> dict[str, Any]:
    """What every producer of ours needs.

    Java's partitioner (librdkafka's own differs, and a user's events would scatter), idempotent, lz4, and a
    record that is not acknowledged within `bus.publish_timeout_seconds` is an error.
    """
    return {
        **client_config(bus),
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "compression.type": "lz4",
        "message.max.bytes": bus.max_message_bytes,
        "message.timeout.ms": int(bus.publish_timeout_seconds * 1000),
    }


def admin(bus: BusSettings) -> AdminClient:
    """A client for topics and their offsets.

    Raises:
        ConfigError: `bus.security` has a key or a value that no client of ours knows.
    """
    return _made(AdminClient, client_config(bus))


def reader(bus: BusSettings, more: Mapping[str, Any]) -> Consumer:
    """A consumer for `assign`: it joins no group and commits nothing.

    Raises:
        ConfigError: `bus.security` has a key or a value that no client of ours knows.
    """
    own = {"group.id": f"{bus.prefix}reader", "enable.auto.commit": False, "enable.auto.offset.store": False}
    return _made(Consumer, {**client_config(bus), **own, **more})


def passes(error: KafkaException) -> bool:
    """Does it pass by itself in moments: partitions or groups are being given to a broker."""
    return error.args[0].code() in _PASSING


def translated(error: KafkaException, bus: BusSettings, waited_seconds: float) -> ConfigError | Unavailable:
    """Kafka's error as ours: what the operator must fix, or what may pass by itself."""
    reason: KafkaError = error.args[0]
    if fix := _FIXES.get(reason.code()):
        return ConfigError(f"Kafka at {bus.bootstrap}: {reason.str()}", fix=fix)
    return Unavailable("kafka", f"{bus.bootstrap}: {reason.str()}", waited_seconds=waited_seconds)


def _made(kind: Callable[[dict[str, Any]], Client], config: dict[str, Any]) -> Client:
    if not config["bootstrap.servers"]:
        raise ConfigError(
            "no Kafka address", fix="set bus.bootstrap, or start the embedded broker: `stream-rec up`"
        )
    try:
        return kind(config)
    except KafkaException as error:
        raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error
