"""The topics table: name, record, key, partitions, how long it is kept. The only place that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, get_args

from stream_rec.schemas.records import (
    DeadLetter,
    Impression,
    Interaction,
    Item,
    MetricPoint,
    Record,
    Slate,
    TopicName,
)

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the bus.

    Attributes:
        name: without the tenant's prefix.
        record: the type of its values.
        key: what the key is made of, for people; `key_of` makes it.
        partitions: how many; None = `bus.partitions`. Topics keyed by user all have None, so that one user's
            events, impressions and slates stand in partitions of the same number.
        retention_ms: how long records are kept; None = for ever.
        compacted: only the last record of a key is kept, and an empty value removes the key.
    """

    name: TopicName
    record: type[Record]
    key: str
    partitions: int | None
    retention_ms: int | None
    compacted: bool = False

    def n_partitions(self, default: int) -> int:
        """Partitions to create, where the settings say `default`."""
        return self.partitions or default

    def config(self) -> dict[str, str]:
        """The topic's Kafka configuration, without its limits in bytes.

        The broker stamps every record: event time is judged against that stamp, and a producer's own would
        let it judge itself.
        """
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(-1 if self.retention_ms is None else self.retention_ms),
            "message.timestamp.type": "LogAppendTime",
        }


TOPICS: dict[TopicName, Topic] = {
    topic.name: topic
    for topic in (
        Topic("events", Interaction, "user_id", None, 7 * _DAY_MS),
        Topic("items", Item, "item_id", None, None, compacted=True),
        Topic("impressions", Impression, "user_id", None, 7 * _DAY_MS),
        Topic("slates", Slate, "user_id", None, _DAY_MS),
        Topic("metrics", MetricPoint, "metric, labels, window, topic-partition", 1, 7 * _DAY_MS),
        Topic("dead-letters", DeadLetter, "topic/partition/offset", 1, 30 * _DAY_MS),
    )
}
assert set(TOPICS) == set(get_args(TopicName))

_BY_RECORD: dict[type[Record], TopicName] = {topic.record: name for name, topic in TOPICS.items()}


class Ack(NamedTuple):
    """Where the bus put a record.

    Attributes:
        topic: without the tenant's prefix.
        partition: of that topic.
        offset: in that partition.
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
    return _BY_RECORD[type(record)]


def key_of(record: Record) -> bytes:
    """The record's key on its topic.

    Raises:
        UnicodeEncodeError: an id holds half a surrogate pair, which has no UTF-8.
    """
    match record:
        case Interaction() | Impression() | Slate():
            key = record.user_id
        case Item():
            key = record.item_id
        case MetricPoint():
            labels = ",".join(f"{name}={value}" for name, value in sorted(record.labels.items()))
            key = f"{record.metric}/{labels}/{record.window_start}/{record.topic}/{record.partition}"
        case DeadLetter():
            key = f"{record.topic}/{record.partition}/{record.offset}"
    return key.encode()
