"""Small slates written by hand, and a store to put them in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest

from stream_rec import doctor
from stream_rec.clock import ManualClock
from stream_rec.doctor import Finding
from stream_rec.schemas.records import AsOf, Reason, SlateItem
from stream_rec.settings import Settings, StoreSettings
from stream_rec.store.connection import Connection, connect
from stream_rec.store.encoding import EncodedSlate, encode_items, encode_slates
from stream_rec.store.lists import ListStore
from stream_rec.store.markers import Markers
from stream_rec.store.slates import SlateStore

T = TypeVar("T")
LOG = "fQx3+Pb1/9m-Zw=="


@dataclass(frozen=True)
class Stores:
    """One worker's stores over one connection pool."""

    redis: Connection
    settings: StoreSettings
    slates: SlateStore
    markers: Markers
    lists: ListStore
    clock: ManualClock


def with_stores(settings: StoreSettings, story: Callable[[Stores], Awaitable[T]]) -> T:
    """Run a story in an event loop of its own, with stores that are closed at its end."""

    async def tell() -> T:
        stores = worker(settings)
        try:
            return await story(stores)
        finally:
            await stores.redis.aclose()

    return asyncio.run(tell())


def worker(settings: StoreSettings) -> Stores:
    """The stores of one more worker; close `redis`."""
    clock = ManualClock()
    redis = connect(settings, clock)
    markers = Markers(redis, settings)
    return Stores(
        redis,
        settings,
        SlateStore(redis, settings, markers),
        markers,
        ListStore(redis, settings, clock),
        clock,
    )


def as_of(offset: int, *, partition: int = 0, log: str = LOG, broker_ts: int | None = None) -> AsOf:
    """A position; by default the broker's clock ticks once per event."""
    ts = 1_700_000_000_000 + offset if broker_ts is None else broker_ts
    return AsOf(log, partition, offset, ts, ts / 1000)


def slates(
    users: Sequence[str], at: AsOf, items: Sequence[str] = ("a", "b"), *, scenario: str = "default"
) -> list[EncodedSlate]:
    """The same items for every user, found by popularity."""
    reason = Reason("popularity")
    places = [SlateItem(item, 1.0 / (place + 1), reason) for place, item in enumerate(items)]
    return encode_slates(
        users,
        [encode_items(places)] * len(users),
        as_of=at,
        scenario=scenario,
        model="m1",
        created_ts=1_700_000_001.5,
    )


def slate(user: str, at: AsOf, items: Sequence[str] = ("a", "b")) -> EncodedSlate:
    """One slate."""
    return slates([user], at, items)[0]


def findings(store: StoreSettings) -> list[Finding]:
    """What the doctor says of this Redis."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "AREAS", {"redis": doctor.AREAS["redis"]})
        return [finding for _, finding in doctor.examine(Settings(store=store))]
