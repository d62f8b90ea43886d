"""What users did lately, read from the end of the topic `events`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from stream_rec.bus.batch import Fetched
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import Bounds, read_through
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Interaction, TopicName
from stream_rec.settings import BusSettings

HISTORY_DEPTH = 20_000
"""Records of the user's partition that are looked through, at most."""
RECENT_DEPTH = 250
"""Records of each partition that are looked through for users."""

EXPOSURE_DEPTH = 1_000
"""Records of each partition that an item is looked for in."""


class _OfItem(msgspec.Struct, frozen=True):
    """As much of an event or an impression as exposure needs."""

    user_id: str = ""
    item_id: str = ""
    event_type: str = ""
    ts: float = 0.0
    items: tuple[str, ...] = ()


class Exposure(NamedTuple):
    """Where an item occurs at the end of the log.

    Attributes:
        n_shown_in: impressions that showed it.
        n_impressions: impressions that were looked at.
        n_followed: of those that showed it, how many were followed by an event of the same user with it.
        by_type: events with it, by type, most frequent first.
        n_events: events that were looked at.
    """

    n_shown_in: int
    n_impressions: int
    n_followed: int
    by_type: dict[str, int]
    n_events: int


_decode_item = msgspec.json.Decoder(_OfItem).decode
_decode = msgspec.json.Decoder(Interaction).decode


@dataclass(frozen=True, slots=True)
class Done:
    """An event as the log has it.

    Attributes:
        partition: of `events`.
        offset: in that partition.
        broker_ts: ms since the epoch.
        event: what was done.
    """

    partition: int
    offset: int
    broker_ts: int
    event: Interaction


class UserLog:
    """Answers from the log, each time anew. Not thread-safe.

    Args:
        bus: addresses.

    Raises (all methods):
        ConfigError, Unavailable: as `OffsetReader` and `read_through`.
    """

    def __init__(self, bus: BusSettings) -> None:
        self._bus = bus
        self._offsets = OffsetReader(bus)

    def history(self, user_id: str, partition: int | None, most: int) -> list[Done]:
        """The user's last events, newest first, as far as they are among the last HISTORY_DEPTH of the partition.

        Args:
            user_id: the user.
            partition: that the user's events are in; None = nobody knows: the one that the key hashes to.
            most: events.
        """
        of_all = self._offsets.bounds(["events"])
        if partition is None:
            partition = int(partition_of(IdColumn.of([user_id]), len(of_all))[0]) if of_all else 0
        tp = TopicPartition("events", partition)
        start, end = of_all.get(tp, (0, 0))
        bounds = {tp: (max(start, end - HISTORY_DEPTH), end)}
        mine = [each for each in self._read(bounds, user_id.encode()) if each.event.user_id == user_id]
        return mine[: -most - 1 : -1]

    def recent_users(self, most: int) -> list[str]:
        """Users who did something last, newest first."""
        found = sorted(self._read(self._last("events", RECENT_DEPTH), None), key=lambda each: -each.broker_ts)
        return list(dict.fromkeys(each.event.user_id for each in found))[:most]

    def exposure(self, item_id: str) -> Exposure:
        """Among the last EXPOSURE_DEPTH records of each partition of `impressions` and `events`."""
        shown, n_impressions = self._with_item("impressions", item_id)
        done, n_events = self._with_item("events", item_id)
        last = {each.user_id: each.ts for each in sorted(done, key=lambda each: each.ts)}
        n_followed = sum(last.get(each.user_id, -math.inf) >= each.ts for each in shown)
        by_type = Counter(each.event_type for each in done)
        return Exposure(len(shown), n_impressions, n_followed, dict(by_type.most_common()), n_events)

    def _with_item(self, topic: TopicName, item_id: str) -> tuple[list[_OfItem], int]:
        """Records that name the item, and how many were looked at."""
        found, n = list[_OfItem](), 0
        for each in self._of_items(topic):
            n += 1
            if item_id == each.item_id or item_id in each.items:
                found.append(each)
        return found, n

    def _of_items(self, topic: TopicName) -> Iterator[_OfItem]:
        for batch in read_through(self._bus, self._last(topic, EXPOSURE_DEPTH)):
            for value in batch.values:
                with suppress(msgspec.DecodeError, UnicodeError):  # a dead letter
                    yield _decode_item(value or b"")

    def _last(self, topic: TopicName, depth: int) -> Bounds:
        found = self._offsets.bounds([topic])
        return {tp: (max(start, end - depth), end) for tp, (start, end) in found.items()}

    def _read(self, bounds: Bounds, key: bytes | None) -> Iterator[Done]:
        for batch in read_through(self._bus, bounds):
            yield from _done(batch, key)


def _done(batch: Fetched, key: bytes | None) -> Iterator[Done]:
    for name, value, offset, stamp in zip(
        batch.keys, batch.values, batch.offsets, batch.timestamps, strict=True
    ):
        if key is None or name == key:
            with suppress(msgspec.DecodeError, UnicodeError):  # a dead letter
                yield Done(batch.partition, int(offset), int(stamp), _decode(value or b""))
