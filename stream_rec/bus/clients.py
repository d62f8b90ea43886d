"""How every client of ours meets Kafka: one configuration, and Kafka's errors as ours."""

from __future__ import annotations

import time
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
    KafkaError.INVALID_SESSION_TIMEOUT: "set bus.session_timeout_seconds between the broker's "
    "group.min.session.timeout.ms (6 s by itself) and group.max.session.timeout.ms",
    KafkaError.INVALID_REPLICATION_FACTOR: "set bus.replication to at most the number of brokers",
    KafkaError.TOPIC_EXCEPTION: "use letters, digits, '.', '_' and '-' in bus.prefix",
    KafkaError.INVALID_CONFIG: "the broker refuses a topic setting that it names above",
    KafkaError.POLICY_VIOLATION: "create the topics yourself, as the cluster's policy demands",
}
_SILENCE = {
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT_QUEUE,
}
_COMPLAINT_SECONDS = 2.0
_POLL_SECONDS = 0.1
_PASSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
}


def client_config(bus: BusSettings) -> dict[str, Any]:
    """What every librdkafka client needs: addresses and security. It logs nothing: what goes wrong is raised.

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
    # A cluster that comes back may say for seconds that it has no broker. Who is told so as he connects asks again at
    # the next refresh, by itself after five minutes: here within the time of a request. Others have what they
    # need by then: `stalls.py` watches producers, and who reads asks again anyway.
    refresh_seconds = min(bus.metadata_seconds, bus.admin_timeout_seconds / 2)
    own = {"topic.metadata.refresh.interval.ms": max(10, int(refresh_seconds * 1000))}
    return _made(AdminClient, {**client_config(bus), **own})


def reader(bus: BusSettings, more: Mapping[str, Any]) -> Consumer:
    """A consumer for `assign`: it joins no group and commits nothing.

    Raises:
        ConfigError: `bus.security` has a key or a value that no client of ours knows.
    """
    own = {"group.id": f"{bus.prefix}reader", "enable.auto.commit": False, "enable.auto.offset.store": False}
    return _made(Consumer, {**client_config(bus), **own, **more})


def passes(error: KafkaException) -> bool:
    """Is the error transient: a partition or a group is just being given a leader or a coordinator."""
    return error.args[0].code() in _PASSING


def is_silence(error: KafkaError) -> bool:
    """Does it say no more than that brokers cannot be reached?"""
    return error.code() in _SILENCE


def translated(error: KafkaException, bus: BusSettings, waited_seconds: float) -> ConfigError | Unavailable:
    """Kafka's error as ours: what the operator must fix, or an outage."""
    reason: KafkaError = error.args[0]
    code, text = reason.code(), reason.str()
    if code in _SILENCE:
        code, text = _complaint(bus) or (code, text)
    if fix := _FIXES.get(code):
        return ConfigError(f"Kafka at {bus.bootstrap}: {text}", fix=fix)
    return Unavailable("kafka", f"{bus.bootstrap}: {text}", waited_seconds=waited_seconds)


def _complaint(bus: BusSettings) -> tuple[int, str] | None:
    """The cause of a timeout: librdkafka reports it to a callback, and to the caller only that time is up.

    Returns:
        Code and text of a refusal (password, certificate) if there is one, else of the failed connection; None =
        no error within `_COMPLAINT_SECONDS`.
    """
    heard: list[tuple[int, str]] = []
    client = AdminClient({**client_config(bus), "error_cb": lambda error: heard.append(_sorted_out(error))})
    end = time.monotonic() + _COMPLAINT_SECONDS
    while time.monotonic() < end:
        client.poll(_POLL_SECONDS)
        if found := [one for one in heard if one[0] in _FIXES]:
            return found[0]
    broken = [one for one in heard if one[0] != KafkaError._ALL_BROKERS_DOWN]
    if heard and not broken:  # a connection was accepted and closed
        return (
            KafkaError._TRANSPORT,
            "the broker closes the connection: does security.protocol in bus.security match the listener?",
        )
    return broken[0] if broken else None


def _sorted_out(error: KafkaError) -> tuple[int, str]:
    """A refused certificate is reported as a failed connection."""
    is_alert = error.code() == KafkaError._TRANSPORT and "SSL routines" in error.str()
    return KafkaError._SSL if is_alert else error.code(), error.str()


def _made(kind: Callable[[dict[str, Any]], Client], config: dict[str, Any]) -> Client:
    if not config["bootstrap.servers"]:
        raise ConfigError(
            "no Kafka address", fix="set bus.bootstrap, or start the embedded broker: `stream-rec up`"
        )
    try:
        return kind(config)
    except KafkaException as error:
        raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error
