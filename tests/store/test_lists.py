"""popular, trending, new, similar:<item>, removed; and the last values of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest
import redis

from stream_rec.settings import StoreSettings
from stream_rec.store.encoding import ItemList, ListItem
from stream_rec.store.last_values import LastValues, LastValuesStore
from stream_rec.store.reader import Reader
from tests.store.building import Stores, as_of, with_stores


@dataclass
class Row:
    """Item ids with scores that fall by one."""

    items: list[str]

    @property
    def scores(self) -> list[float]:
        return [float(len(self.items) - place) for place in range(len(self.items))]


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url, list_items=3, slate_ttl_seconds=1000, max_removed=4)


@pytest.fixture
def plain(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def reader(store: StoreSettings) -> Iterator[Reader]:
    opened = Reader(store)
    yield opened
    opened.close()


def test_lists_are_cut_written_and_read(store: StoreSettings, plain: redis.Redis, reader: Reader) -> None:
    async def story(my: Stores) -> int:
        tops = {"popular": Row(["a", "b", "c", "d"]), "trending": Row(["b"]), "new": Row([])}
        n_tops = await my.lists.write_tops(tops, as_of=as_of(1), model="m")  # type: ignore[arg-type]
        return n_tops + await my.lists.write_similar({"x:{y}": Row(["z"])}, as_of=as_of(1), model="m")

    assert with_stores(store, story) == 4
    assert reader.top("popular") == ItemList(
        as_of(1), "m", 1_700_000_000.0, (ListItem("a", 4.0), ListItem("b", 3.0), ListItem("c", 2.0))
    )
    assert [place.item_id for place in reader.top("trending").items] == ["b"]  # type: ignore[union-attr]
    assert reader.top("new").items == ()  # type: ignore[union-attr]
    (found, missing) = reader.similar(["x:{y}", "unknown"])
    assert found is not None
    assert found.items == (ListItem("z", 1.0),)
    assert missing is None
    for key in ("popular", "trending", "new", "similar:x:{y}"):
        assert 990 < plain.ttl(key) <= 1000


def test_an_older_list_never_replaces_a_newer_one(store: StoreSettings, reader: Reader) -> None:
    async def story(my: Stores) -> list[int]:
        return [
            await my.lists.write_tops({"popular": Row([name])}, as_of=as_of(offset), model="m")
            for name, offset in (("new", 9), ("old", 3))
        ]

    assert with_stores(store, story) == [1, 0]
    assert reader.top("popular").items[0].item_id == "new"  # type: ignore[union-attr]


def test_a_removed_item_is_known_as_such_until_it_is_back(
    store: StoreSettings, plain: redis.Redis, reader: Reader
) -> None:
    async def story(my: Stores) -> None:
        await my.lists.write_similar({"a": Row(["b"])}, as_of=as_of(1), model="m")
        assert await my.lists.remove_items(["a", "b"]) == 0
        await my.lists.restore_items(["b"])

    with_stores(store, story)
    assert reader.removed(["a", "b", "c"]) == {"a"}
    assert reader.removed([]) == set()
    assert not plain.exists("similar:a")


def test_removed_outlives_the_slates_that_may_hold_the_item(store: StoreSettings, plain: redis.Redis) -> None:
    async def story(my: Stores) -> None:
        await my.lists.remove_items(["early"])
        my.clock.advance(store.slate_ttl_seconds + 86_000)
        await my.lists.remove_items(["late"])
        assert plain.zrange("removed", 0, -1) == ["early", "late"]
        my.clock.advance(1000)
        await my.lists.remove_items(["later"])

    with_stores(store, story)
    assert plain.zrange("removed", 0, -1) == ["late", "later"]
    assert plain.ttl("removed") > store.slate_ttl_seconds


def test_removed_is_bounded_and_says_what_it_dropped(store: StoreSettings, plain: redis.Redis) -> None:
    async def story(my: Stores) -> int:
        await my.lists.remove_items(["a", "b", "c"])
        my.clock.advance(1)
        return await my.lists.remove_items(["d", "e", "f"])

    assert with_stores(store, story) == 2
    assert plain.zrange("removed", 0, -1) == ["c", "d", "e", "f"]


def test_more_ids_than_a_pipeline_takes_are_removed_and_restored(redis_url: str, plain: redis.Redis) -> None:
    ids = [f"i{n}" for n in range(23)]

    async def story(my: Stores) -> None:
        await my.lists.remove_items(ids)
        assert plain.zcard("removed") == 23
        await my.lists.restore_items(ids[:20])
        await my.lists.restore_items([])

    with_stores(StoreSettings(url=redis_url, pipeline_keys=5), story)
    assert plain.zcard("removed") == 3


def test_last_values_of_live_workers_are_readable_and_silent_workers_go(
    redis_url: str, plain: redis.Redis
) -> None:
    settings = StoreSettings(url=redis_url, metrics_ttl_seconds=60)

    async def story(my: Stores) -> None:
        early = LastValuesStore(my.redis, settings, my.clock, worker="host-1")
        late = LastValuesStore(my.redis, settings, my.clock, worker="host-2")
        await early.write({"lag": 3.0})
        await late.write({"lag": 1.0})
        my.clock.advance(61)
        await late.write({"lag": 0.0})

    with_stores(settings, story)
    reader = Reader(settings)
    assert reader.last_values() == {"host-2": LastValues(1_700_000_061.0, {"lag": 0.0})}
    assert msgspec.json.decode(plain.get("metrics:host-2")) == {
        "created_ts": 1_700_000_061.0,
        "values": {"lag": 0.0},
    }
    assert 0 < plain.ttl("metrics:host-2") <= 60
    reader.close()


def test_an_item_that_lost_its_neighbours_has_no_list(store: StoreSettings, reader: Reader) -> None:
    async def story(my: Stores) -> list[int]:
        return [
            await my.lists.write_similar({"a": Row(items), "b": Row(["c"])}, as_of=as_of(offset), model="m")
            for offset, items in ((1, ["b"]), (2, []))
        ]

    assert with_stores(store, story) == [2, 1]
    gone, left = reader.similar(["a", "b"])
    assert gone is None
    assert left is not None


def test_the_names_of_scenarios_stay_as_long_as_their_slates(
    store: StoreSettings, plain: redis.Redis, reader: Reader
) -> None:
    async def story(my: Stores) -> None:
        await my.lists.write_scenarios(["home", "default"])

    plain.zadd("scenarios", {"of old": 1.0})
    with_stores(store, story)
    assert reader.scenarios() == ["default", "home"]
    assert 990 < plain.ttl("scenarios") <= 1000
