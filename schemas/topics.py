"""The topics table: one row says all that holds for a topic. Everything else that lists topics is made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from stream_rec.schemas import codec, decisions, validation
from stream_rec.schemas.columns import Decoded, Span
from stream_rec.schemas.reading import Messages
from stream_rec.schemas.records import (
    Control,
    DeadLetter,
    Impression,
    Interaction,
    Item,
    MetricPoint,
    PublishedRecord,
    Record,
    Slate,
    TopicName,
    Vector,
)
from stream_rec.schemas.vector_changes import decode_vectors, vector_key
from stream_rec.settings import IngestSettings

_DAY_MS = 86_400_000

REMOVALS_KEPT_DAYS = 30
"""How long Kafka keeps a removal on a compacted topic; a worker that starts from an older snapshot misses it."""
DECISIONS_KEPT_DAYS = 30
"""How long Kafka keeps decisions that were overruled: the history of a scenario, and what it can be rolled back to."""
LETTERS_GONE_HOURS = 24
"""How long Kafka may take to remove a dead letter that was erased."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How workers read the topic, and what its publishers must keep to.

    Attributes:
        check: judges one record: (record, broker timestamp in ms or a negative number, limits); raises ContractError.
        decode: reads a batch of raw messages: the good records in the form that handlers take, all others with the
            reason. Never raises for what is in a message.
    """

    check: Callable[[Any, int, IngestSettings], None]
    decode: Callable[[Messages, Span, IngestSettings], Decoded[Any]]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the bus.

    Attributes:
        name: without the tenant's prefix.
        record: the type of its values.
        key: what the key is made of, for people.
        key_of: makes a record's key.
        partitions: how many; None = `bus.partitions`. Topics keyed by user all have None, so that one user's
            events, impressions and slates stand in partitions of the same number.
        retention_ms: how long records are kept; None = for ever.
        compacted: only the last record of a key is kept, and an empty value removes the key; with a retention, that
            too goes after it.
        whole_for_ms: of a compacted topic: so long also records that were overruled are kept; 0 = as the broker likes.
        gone_after_ms: of a compacted topic: so soon at the latest overruled records are gone; 0 = as the broker likes.
        codec: of a topic that workers read; None = they only write it.
    """

    name: TopicName
    record: type[Record]
    key: str
    key_of: Callable[[Any], str]
    partitions: int | None
    retention_ms: int | None
    compacted: bool = False
    whole_for_ms: int = 0
    gone_after_ms: int = 0
    codec: Codec | None = None

    @property
    def is_keyed_by_user(self) -> bool:
        """Has it the partitions of all topics that are keyed by user?"""
        return self.key == "user_id"

    @property
    def cleanup_policy(self) -> str:
        """What the broker does with old records."""
        if not self.compacted:
            return "delete"
        return "compact" if self.retention_ms is None else "compact,delete"

    def n_partitions(self, default: int) -> int:
        """Partitions to create, where the settings say `default`."""
        return self.partitions or default

    def config(self) -> dict[str, str]:
        """The topic's Kafka configuration, without its limits in bytes.

        The broker stamps every record: event time is judged against that stamp, and a producer's own would
        let it judge itself.
        """
        config = {
            "cleanup.policy": self.cleanup_policy,
            "retention.ms": str(-1 if self.retention_ms is None else self.retention_ms),
            "message.timestamp.type": "LogAppendTime",
        }
        if self.compacted:
            config["delete.retention.ms"] = str(REMOVALS_KEPT_DAYS * _DAY_MS)
        if self.whole_for_ms:
            config["min.compaction.lag.ms"] = str(self.whole_for_ms)
        if self.gone_after_ms:
            config["max.compaction.lag.ms"] = str(self.gone_after_ms)
        return config


def _metric_point_key(point: MetricPoint) -> str:
    labels = ",".join(f"{name}={value}" for name, value in sorted(point.labels.items()))
    return f"{point.metric}/{labels}/{point.window_start}/{point.topic}/{point.partition}"


TOPICS: dict[TopicName, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "events",
            Interaction,
            key="user_id",
            key_of=lambda event: event.user_id,
            partitions=None,
            retention_ms=7 * _DAY_MS,
            codec=Codec(validation.check_interaction, codec.decode_interactions),
        ),
        Topic(
            "items",
            Item,
            key="item_id",
            key_of=lambda item: item.item_id,
            partitions=None,
            retention_ms=None,
            compacted=True,
            codec=Codec(validation.check_item, codec.decode_items),
        ),
        Topic(
            "vectors",
            Vector,
            key="space/item_id",
            key_of=lambda vector: vector_key(vector.space, vector.item_id),
            partitions=1,  # one order of all records decides which space has which slot, and how long its vectors are
            retention_ms=None,
            compacted=True,
            codec=Codec(validation.check_vector, decode_vectors),
        ),
        Topic(
            "impressions",
            Impression,
            key="user_id",
            key_of=lambda shown: shown.user_id,
            partitions=None,
            retention_ms=7 * _DAY_MS,
            codec=Codec(validation.check_impression, codec.decode_impressions),
        ),
        Topic(
            "control",
            Control,
            key="<kind>/<name>",
            key_of=lambda control: f"{control.kind}/{control.name}",
            partitions=1,
            retention_ms=None,
            compacted=True,
            whole_for_ms=DECISIONS_KEPT_DAYS * _DAY_MS,
            codec=Codec(decisions.check_control, decisions.decode_control),
        ),
        Topic(
            "slates",
            Slate,
            key="user_id",
            key_of=lambda slate: slate.user_id,
            partitions=None,
            retention_ms=_DAY_MS,
        ),
        Topic(
            "metrics",
            MetricPoint,
            key="metric, labels, window, topic-partition",
            key_of=_metric_point_key,
            partitions=1,
            retention_ms=7 * _DAY_MS,
        ),
        Topic(
            "dead-letters",
            DeadLetter,
            key="topic/partition/offset",
            key_of=lambda letter: f"{letter.topic}/{letter.partition}/{letter.offset}",
            partitions=1,
            retention_ms=30 * _DAY_MS,
            compacted=True,
            gone_after_ms=LETTERS_GONE_HOURS * _DAY_MS // 24,
        ),
    )
}

FOLLOWED: tuple[TopicName, ...] = tuple(name for name, topic in TOPICS.items() if topic.codec)
"""The topics that workers read, whole: each has its handler in `consumers.topology`."""

_BY_RECORD: dict[type[Record], Topic] = {topic.record: topic for topic in TOPICS.values()}


UNKNOWN_OFFSET = -1
"""Of a record that was sent again because its acknowledgement was lost: the broker has it, and does not say where."""


class Ack(NamedTuple):
    """Where the bus put a record.

    Attributes:
        topic: without the tenant's prefix.
        partition: of that topic.
        offset: in that partition; or UNKNOWN_OFFSET.
    """

    topic: TopicName
    partition: int
    offset: int


def full_name(prefix: str, name: TopicName) -> str:
    """The topic's name on the bus: `prefix` (the tenant's, may be empty) and its own."""
    return f"{prefix}{name}"


def short_name(prefix: str, full: str) -> TopicName | None:
    """The name in `TOPICS` of a topic on the bus; None = it is none of ours (or another tenant's)."""
    short = full[len(prefix) :]
    return TOPICS[short].name if full.startswith(prefix) and short in TOPICS else None


def topic_of(record: Record) -> TopicName:
    """The topic that takes this record."""
    return _BY_RECORD[type(record)].name


def key_of(record: Record) -> bytes:
    """The record's key on its topic.

    Raises:
        UnicodeEncodeError: an id holds half a surrogate pair, which has no UTF-8.
    """
    return _BY_RECORD[type(record)].key_of(record).encode()


def check(record: PublishedRecord, rules: IngestSettings) -> None:
    """Judge a record before it is published: all but how far ts is from the broker's timestamp.

    Raises:
        ContractError: the first rule it breaks.
        TypeError: no topic that workers read takes such a record.
    """
    topic = _BY_RECORD.get(type(record))
    if topic is None or topic.codec is None:
        raise TypeError(f"{type(record).__name__} is no record that applications publish")
    topic.codec.check(record, -1, rules)


def decode(name: TopicName, messages: Messages, span: Span, rules: IngestSettings) -> Decoded[Any]:
    """Read a batch of a topic that workers read; see `Codec.decode`."""
    codec_of_topic = TOPICS[name].codec
    if codec_of_topic is None:
        raise ValueError(f"workers do not read {name}")
    return codec_of_topic.decode(messages, span, rules)
