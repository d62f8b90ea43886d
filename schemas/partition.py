"""A partition of one of our topics: the one type that names it, from the bus to the engine and back."""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.schemas.records import TopicName


class TopicPartition(NamedTuple):
    """A topic and one of its partitions. Equal to the plain tuple of both, as a key of a dict too.

    Attributes:
        topic: without the tenant's prefix; only `stream_rec.bus` knows topics by their full names.
        partition: of that topic, from 0.
    """

    topic: TopicName
    partition: int

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.topic}/{self.partition}"
