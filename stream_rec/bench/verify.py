"""What is in Redis against what is in the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from stream_rec.bus.lag import OffsetReader, lag
from stream_rec.bus.stretches import read_through
from stream_rec.schemas.records import AsOf
from stream_rec.settings import BusSettings, Settings
from stream_rec.store.keys import Keys
from stream_rec.store.sync_connection import connect_sync

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
    with connect_sync(settings.store) as connection:
        for users in _in_parts(list(last), _GETS):
            slates = connection.pipeline([("GET", keys.slate(scenario, user)) for user in users])
            for user, raw in zip(users, slates, strict=True):
                behind += not (raw and _knows(raw, *last[user]))
    return Verdict(n_events, len(last), behind, sum(line.lag for line in lag(settings.bus, names=["events"])))


def _knows(raw: bytes, partition: int, offset: int) -> bool:
    as_of = _decode(raw).as_of
    return as_of.partition == partition and as_of.offset >= offset


def _last_offsets(bus: BusSettings) -> tuple[int, Mapping[str, tuple[int, int]]]:
    """How many events there are, and (partition, offset) of each user's last one."""
    last: dict[str, tuple[int, int]] = {}
    n_events = 0
    for batch in read_through(bus, OffsetReader(bus).bounds(["events"])):
        n_events += len(batch)
        for key, offset in zip(batch.keys, batch.offsets, strict=True):
            last[(key or b"").decode()] = (batch.partition, offset)
    return n_events, last


def _in_parts(users: list[str], size: int) -> Iterator[list[str]]:
    return (users[at : at + size] for at in range(0, len(users), size))
