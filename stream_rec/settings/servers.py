"""The branches for the two servers, Kafka and Redis."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from stream_rec.settings.branch import TEN_YEARS, Branch

_PREFIX = re.compile(r"[A-Za-z0-9_.-]{0,200}")
_BROKER = re.compile(r"(?:\[[0-9A-Za-z:.%]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?")


def _topic_prefix(prefix: str) -> str:
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("topics take letters, digits, '.', '_' and '-', and a prefix of 200 at most")
    return prefix


def _brokers(addresses: str) -> str:
    """Librdkafka takes any text, and a port modulo 65536; what is wrong would be waited for as if Kafka were away."""
    for address in addresses.split(",") if addresses else ():
        found = _BROKER.fullmatch(address.strip())
        if found is None or not 1 <= int(found[1] or 9092) <= 65_535:
            raise ValueError(
                "write HOST:PORT, several with commas between them, ports up to 65535 and no URLs"
            )
    return addresses


Brokers = Annotated[str, AfterValidator(_brokers)]


class BusSettings(Branch):
    """Kafka."""

    bootstrap: Brokers = Field("", description="Kafka bootstrap servers; empty = start the embedded broker")
    prefix: Annotated[str, AfterValidator(_topic_prefix)] = Field(
        "", description="put before every topic's name: the tenant"
    )
    group: str = Field(
        "stream-rec", min_length=1, max_length=249, description="consumer group of the workers"
    )
    partitions: int = Field(4, ge=1, le=4096, description="partitions of topics that are created")
    replication: int = Field(1, ge=1, le=100, description="replication factor of topics that are created")
    max_message_bytes: int = Field(
        1_048_576 * 6, ge=1024, le=1_000_000_000, description="largest message a topic takes"
    )
    session_timeout_seconds: float = Field(
        6.0, ge=0.5, le=3600, description="a worker without heartbeats loses its partitions after this"
    )
    commit_interval_seconds: float = Field(
        1.0, ge=0.01, le=3600, description="how often acknowledged offsets are committed"
    )
    batch_max_records: int = Field(
        500, ge=1, le=1_000_000, description="records in one batch of one partition, at most"
    )
    batch_max_bytes: int = Field(
        1_048_576,
        ge=1024,
        le=1_000_000_000,
        description="bytes in one batch, at most (one record may be larger)",
    )
    stream_buffer_batches: int = Field(
        8, ge=2, le=10_000, description="batches of one topic in flight, at most"
    )
    fetch_wait_seconds: float = Field(
        0.03,
        ge=0.001,
        le=5,
        description="the broker may hold an empty fetch this long; twice as long after an idle second",
    )
    drain_seconds: float = Field(
        2.0,
        ge=0.01,
        le=30,
        description="at a rebalance or shutdown, batches in flight get this long, then are redelivered",
    )
    admin_timeout_seconds: float = Field(
        10.0, ge=0.1, le=3600, description="timeout of one request about topics or offsets"
    )
    metadata_seconds: float = Field(
        5.0, ge=0.05, le=300, description="how often topics are checked for added partitions"
    )
    backoff_max_seconds: float = Field(1.0, ge=0.01, le=60, description="longest backoff while Kafka is down")
    follow_ahead_records: int = Field(
        4_000,
        ge=1,
        le=10_000_000,
        description="records of partitions that others own, read and not yet learned, at most",
    )
    follow_ahead_bytes: int = Field(
        16_777_216, ge=1024, le=2_000_000_000, description="the same in bytes, within a batch"
    )
    follow_slice_seconds: float = Field(
        0.005,
        ge=0.0001,
        le=1,
        description="records that others serve are learned in slices this long, so that owned batches wait no longer",
    )
    ready_within_records: int = Field(
        10_000,
        ge=0,
        le=1 << 62,
        description="joins the group when no partition's learning is further behind what the group has served; is "
        "ready when no partition is further from its end",
    )
    publish_timeout_seconds: float = Field(
        30.0, ge=0.1, le=86_400, description="a record not acknowledged by then is an error"
    )
    publish_linger_ms: float = Field(
        2.0, ge=0, le=60_000, description="a publisher waits this long for more records to send together"
    )
    publish_queue_records: int = Field(
        50_000,
        ge=1,
        le=10_000_000,
        description="records sent and not yet acknowledged, at most; then `send` waits",
    )
    publish_queue_bytes: int = Field(67_108_864, ge=1024, le=1 << 40, description="the same in bytes")
    security: dict[str, str] = Field(
        default_factory=dict,
        description="TLS and SASL in librdkafka's option names, e.g. security.protocol, sasl.username (secret)",
    )


class StoreSettings(Branch):
    """Redis."""

    url: str = Field(
        "",
        description="redis://, redis+sentinel:// or redis+cluster://, rediss for TLS; empty = start the embedded "
        "server (secret)",
    )
    username: str = Field("", description="ACL user; empty = the URL's, or Redis' default user")
    password: str = Field("", description="its password; empty = the URL's, or none (secret)")
    ca_file: str = Field(
        "", description="PEM file of certificate authorities for rediss://; empty = the system's"
    )
    certificate_file: str = Field("", description="PEM file of the client certificate, if Redis requires one")
    key_file: str = Field("", description="PEM file of its key; empty = it is in certificate_file")
    key_password: str = Field("", description="the password of an encrypted key (secret)")
    prefix: str = Field("", max_length=200, description="put before every key: the tenant")
    slate_ttl_seconds: int = Field(
        7 * 86_400, ge=1, le=TEN_YEARS, description="a slate not renewed by then expires"
    )
    never_ttl_seconds: int = Field(
        400 * 86_400,
        ge=1,
        le=TEN_YEARS,
        description="what a user never wants to see is known to readers for so long after the user's last event",
    )
    pipeline_keys: int = Field(
        512, ge=1, le=100_000, description="keys read or written in one Redis pipeline, at most"
    )
    keys_per_script: int = Field(
        64,
        ge=1,
        le=10_000,
        description="slates written by one call of a script, at most; always 1 in a cluster",
    )
    timeout_seconds: float = Field(5.0, ge=0.01, le=3600, description="timeout of one reply")
    backoff_max_seconds: float = Field(2.0, ge=0.01, le=60, description="longest backoff while Redis is down")
    unready_seconds: float = Field(
        30.0, ge=0.01, le=TEN_YEARS, description="`/ready` fails after writes have failed for so long"
    )
    rewrite_per_second: int = Field(
        2000,
        ge=1,
        le=10_000_000,
        description="slates a second that are rewritten after Redis lost them, rules changed or they grew old, at most",
    )
    renew_after_seconds: float = Field(
        21_600.0,
        ge=0,
        le=TEN_YEARS,
        description="slates of users who are away are made anew before they are older than this, about; 0 = never",
    )
    max_connections: int = Field(16, ge=1, le=10_000, description="connections to Redis per process, at most")
    stop_grace_seconds: float = Field(
        1.0,
        ge=0.01,
        le=30,
        description="what is in flight at revocation or SIGTERM may take this long, then it is dropped",
    )
    list_items: int = Field(
        100, ge=1, le=1000, description="items in popular, trending, new and similar:<item>, at most"
    )
    category_tags: int = Field(
        50,
        ge=0,
        le=1000,
        description="tags with lists of their own, popular:<tag> and so on: those used most",
    )
    lists_seconds: float = Field(
        1.0, ge=0.01, le=86_400, description="popular, trending, new and similar are written this often"
    )
    similar_per_second: float = Field(
        100.0,
        ge=0,
        le=1_000_000,
        description="similar:<item> lists written, at most: of items with recent events, and of those without one",
    )
    max_removed: int = Field(
        100_000, ge=1, le=10_000_000, description="item ids in `removed`, the latest, at most"
    )
    metrics_ttl_seconds: int = Field(
        300, ge=1, le=TEN_YEARS, description="last values of a worker that no longer reports expire"
    )
