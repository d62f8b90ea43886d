"""What is in Redis against what is in the log, counted by a consumer that has nothing to do with the worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer, TopicPartition

from stream_rec.bus.clients import client_config
from stream_rec.bus.lag import ends, lag
from stream_rec.clock import SystemClock
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import AsOf
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings, Settings
from stream_rec.store.connection import answering, connect_sync
from stream_rec.store.keys import Keys

_READ_SECONDS = 120.0
_GETS = 500


class Verdict(NamedTuple):
    """What was found.

    Attributes:
        n_events: records in the log.
        n_users: that have events.
        n_behind: users without a slate, or with one that does not know the user's last event.
        committed_lag: records that the workers' group has not committed.
    """

    n_events: int
    n_users: int
    n_behind: int
    committed_lag: int


class _Head(msgspec.Struct, frozen=True):
    as_of: AsOf


_decode = msgspec.json.Decoder(_Head).decode


def verify(settings: Settings, scenario: str = "default") -> Verdict:
    """Read the whole log, then every user's slate.

    Raises:
        Unavailable: a server did not answer.
    """
    n_events, last = _last_offsets(settings.bus)
    keys = Keys(settings.store.prefix)
    behind = 0
    with connect_sync(settings.store) as client, answering(settings.store.url):
        for users in _in_parts(list(last), _GETS):
            pipeline = client.pipeline(transaction=False)
            for user in users:
                pipeline.get(keys.slate(scenario, user))
            for user, raw in zip(users, pipeline.execute(), strict=True):
                behind += not (raw and _knows(raw, *last[user]))
    return Verdict(n_events, len(last), behind, sum(line.lag for line in lag(settings.bus, names=["events"])))


def _knows(raw: bytes, partition: int, offset: int) -> bool:
    as_of = _decode(raw).as_of
    return as_of.partition == partition and as_of.offset >= offset


def _last_offsets(bus: BusSettings) -> tuple[int, Mapping[str, tuple[int, int]]]:
    """How many events there are, and (partition, offset) of each user's last one."""
    topic, clock = full_name(bus.prefix, "events"), SystemClock()
    unread = {partition: end for partition, end in ends(bus, "events").items() if end}
    own = {"group.id": f"{bus.group}-verify", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({**client_config(bus), **own})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
    last: dict[str, tuple[int, int]] = {}
    n_events = 0
    deadline = clock.monotonic() + _READ_SECONDS
    try:
        while unread:
            if clock.monotonic() > deadline:
                raise Unavailable("kafka", f"{topic} cannot be read", waited_seconds=_READ_SECONDS)
            for message in consumer.consume(10_000, 0.2):
                partition = message.partition()
                if message.error() is None and partition in unread:
                    n_events += 1
                    last[message.key().decode()] = (partition, message.offset())
                    if message.offset() + 1 >= unread[partition]:
                        del unread[partition]
    finally:
        consumer.close()
    return n_events, last


def _in_parts(users: list[str], size: int) -> Iterator[list[str]]:
    return (users[at : at + size] for at in range(0, len(users), size))
