"""Partitions by their name on the bus, with the tenant's prefix, and by ours. Only this package knows both."""

from __future__ import annotations

from typing import Any

from confluent_kafka import OFFSET_INVALID
from confluent_kafka import TopicPartition as KafkaPartition

from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import full_name


def on_bus(prefix: str, tp: TopicPartition, offset: int = OFFSET_INVALID) -> KafkaPartition:
    """The partition as confluent-kafka wants it."""
    return KafkaPartition(full_name(prefix, tp.topic), tp.partition, offset)


def ours(prefix: str, partition: Any) -> TopicPartition:
    """The partition as the rest of the code wants it.

    Args:
        prefix: the tenant's.
        partition: confluent-kafka's, aiokafka's or Faust's, of a topic that was asked for by its full name.
    """
    return TopicPartition(partition.topic.removeprefix(prefix), partition.partition)
