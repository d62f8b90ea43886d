"""Anything may stand in Redis: a reader takes what it cannot read for absent, a worker writes over it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from stream_rec.clock import ManualClock
from stream_rec.serve.client import Client
from stream_rec.settings import StoreSettings
from stream_rec.store.decoding import SAY_EVERY_SECONDS, Decoding
from stream_rec.store.last_values import LastValuesStore, worker_name
from stream_rec.store.markers import Upto
from tests.store.building import LOG, Stores, as_of, findings, slate, with_stores
from tests.store.test_lists import Row

GOOD = (
    b'{"as_of":{"log":"L","partition":0,"offset":5,"broker_ts":1,"event_ts":1.0},"user_id":"ann","scenario":"default",'
    b'"slate_id":"s-0","model":"m","created_ts":1.0,"items":[{"item_id":"a","score":1.0,"reason":{"source":"popular"}}]}'
)


def _changed(old: bytes, new: bytes) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new)


VALUES: dict[str, bytes] = {
    "empty": b"",
    "space": b" ",
    "zero byte": b"\0",
    "null": b"null",
    "true": b"true",
    "number": b"7",
    "text": b'"text"',
    "empty array": b"[]",
    "empty object": b"{}",
    "array of it": b"[" + GOOD + b"]",
    "twice": GOOD + GOOD,
    "trailing comma": GOOD[:-1] + b",}",
    "trailing bytes": GOOD + b"x",
    "half": GOOD[: len(GOOD) // 2],
    "without the last byte": GOOD[:-1],
    "without the first byte": GOOD[1:],
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "utf-16": GOOD.decode().encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00",
    "msgpack": b"\x86\xa5as_of\x85\xa3log\xa1L",
    "xml": b"<slate/>",
    "python": GOOD.replace(b'"', b"'"),
    "not utf-8": _changed(b'"ann"', b'"\xff\xfe"'),
    "half a character": _changed(b'"a"', b'"\xc3"'),
    "lone surrogate": _changed(b'"a"', b'"\\ud800"'),
    "control character": _changed(b'"a"', b'"\x01"'),
    "bad escape": _changed(b'"a"', b'"\\x"'),
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and unknown": GOOD[:-1] + b',"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep items": _changed(b'"items":[', b'"items":' + b"[" * 50_000),
    "NaN": _changed(b'"score":1.0', b'"score":NaN'),
    "infinite": _changed(b'"score":1.0', b'"score":Infinity'),
    "too large": _changed(b'"score":1.0', b'"score":1e999'),
    "score null": _changed(b'"score":1.0', b'"score":null'),
    "score text": _changed(b'"score":1.0', b'"score":"high"'),
    "score true": _changed(b'"score":1.0', b'"score":true'),
    "score array": _changed(b'"score":1.0', b'"score":[1]'),
    "offset text": _changed(b'"offset":5', b'"offset":"5"'),
    "offset null": _changed(b'"offset":5', b'"offset":null'),
    "offset half": _changed(b'"offset":5', b'"offset":5.5'),
    "offset huge": _changed(b'"offset":5', b'"offset":' + b"9" * 400),
    "offset missing": _changed(b'"offset":5,', b""),
    "leading zero": _changed(b'"offset":5', b'"offset":05'),
    "partition text": _changed(b'"partition":0', b'"partition":"0"'),
    "log number": _changed(b'"log":"L"', b'"log":7'),
    "as_of null": _changed(b'{"log":"L","partition":0,"offset":5,"broker_ts":1,"event_ts":1.0}', b"null"),
    "as_of array": _changed(b'{"log":"L","partition":0,"offset":5,"broker_ts":1,"event_ts":1.0}', b"[]"),
    "items null": _changed(b'[{"item_id":"a","score":1.0,"reason":{"source":"popular"}}]', b"null"),
    "items object": _changed(b'[{"item_id":"a","score":1.0,"reason":{"source":"popular"}}]', b"{}"),
    "items of text": _changed(b'[{"item_id":"a","score":1.0,"reason":{"source":"popular"}}]', b'["a"]'),
    "items of null": _changed(b'[{"item_id":"a","score":1.0,"reason":{"source":"popular"}}]', b"[null]"),
    "item without id": _changed(b'"item_id":"a",', b""),
    "item id number": _changed(b'"item_id":"a"', b'"item_id":1'),
    "created null": _changed(b'"created_ts":1.0', b'"created_ts":null'),
    "model number": _changed(b'"model":"m"', b'"model":1'),
}
TYPES = ("list", "hash", "set", "zset", "stream")
KINDS = (*VALUES, *TYPES)


def corrupt(client: redis.Redis, key: str, kind: str) -> None:
    """Put it there."""
    client.delete(key)
    if kind in VALUES:
        client.set(key, VALUES[kind])
    elif kind == "list":
        client.rpush(key, "a")
    elif kind == "hash":
        client.hset(key, "a", "b")
    elif kind == "set":
        client.sadd(key, "a")
    elif kind == "zset":
        client.zadd(key, {"a": 1.0})
    else:
        client.xadd(key, {"a": "b"})


@pytest.fixture
def plain(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def shop(redis_url: str) -> None:
    """Lists for everybody, and a slate of bob's."""

    async def story(my: Stores) -> None:
        await my.slates.write([slate("bob", as_of(5), ["b"])])
        tops = {"popular": Row(["p", "q"]), "trending": Row(["t"]), "new": Row(["n"])}
        await my.lists.write_tops(tops, as_of=as_of(5), model="m")  # type: ignore[arg-type]
        await my.lists.remove_items(["q"])

    with_stores(StoreSettings(url=redis_url), story)


def test_there_are_at_least_sixty_one_kinds() -> None:
    assert len(KINDS) >= 61


def test_a_reader_takes_each_kind_for_absent(redis_url: str, plain: redis.Redis) -> None:
    """In every key, and none of them breaks the rest of an answer."""
    shop(redis_url)
    with Client.at(redis_url) as client:
        for kind in KINDS:
            corrupt(plain, "rec:default:ann", kind)
            assert client.recommendations("ann").origin == "popular", kind
            if kind != "not utf-8":  # it is in the user's name, which a list does not have
                corrupt(plain, "similar:b", kind)
                assert client.similar("b") == (), kind
                corrupt(plain, "new", kind)
                assert client.new() == (), kind
            assert [place.item_id for place in client.recommendations("bob").items] == ["b"], kind
        for kind in KINDS:
            if kind != "zset":
                corrupt(plain, "removed", kind)
                assert [place.item_id for place in client.popular()] == ["p", "q"], kind
        corrupt(plain, "popular", "half")
        assert client.recommendations("ann").origin == "none"


def test_a_slate_of_somebody_else_is_not_this_users(redis_url: str, plain: redis.Redis) -> None:
    plain.set("rec:default:eve", GOOD)
    plain.set("rec:default:ann", GOOD)
    with Client.at(redis_url) as client:
        assert client.recommendations("ann").origin == "personal"
        assert client.recommendations("eve").origin == "none"


def test_last_values_of_one_worker_do_not_hide_anothers(redis_url: str, plain: redis.Redis) -> None:
    async def story(my: Stores) -> None:
        for name in ("good", "bad", "gone"):
            await LastValuesStore(my.redis, my.settings, my.clock, worker=name).write({"lag": 1.0})

    with_stores(StoreSettings(url=redis_url), story)
    plain.zadd("workers", {b"\xff\xfe": 1e12})
    plain.delete("metrics:gone")
    from stream_rec.store.reader import Reader

    reader = Reader(StoreSettings(url=redis_url))
    for kind in KINDS:
        corrupt(plain, "metrics:bad", kind)
        assert set(reader.last_values()) == {"good"}, kind
    for kind in KINDS:
        if kind != "zset":
            corrupt(plain, "workers", kind)
            assert reader.last_values() == {}, kind
    assert any("workers" in one.what for one in findings(StoreSettings(url=redis_url)))
    reader.close()


@given_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=300))
def test_random_bytes_never_raise(raw: bytes) -> None:
    decoding = Decoding(ManualClock())
    decoding.slate(raw, "ann")
    decoding.item_list(raw)
    decoding.last_values(raw)


def test_ten_thousand_flipped_slates_never_raise() -> None:
    """One to three bytes of a good one are changed: most are unreadable, none is an error."""
    chance, decoding = random.Random(7), Decoding(ManualClock())
    n_absent = 0
    for _ in range(10_000):
        raw = bytearray(GOOD)
        for _ in range(chance.randint(1, 3)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        n_absent += decoding.slate(bytes(raw), "ann") is None
        decoding.item_list(bytes(raw))
    assert 5_000 < n_absent < 10_000


def test_a_line_is_said_at_the_first_then_at_most_once_a_minute() -> None:
    clock = ManualClock()
    decoding = Decoding(clock)
    with capture_logs() as said:
        for _ in range(5):
            decoding.slate(b"x", "ann")
        clock.advance(SAY_EVERY_SECONDS)
        decoding.item_list(b"x")
    assert [(line["what"], line["others"]) for line in said] == [("slate", 0), ("list", 4)]


# --- the worker: K28


@pytest.mark.parametrize("kind", [*TYPES, "half", "null", "empty", "not utf-8", "deep arrays"])
def test_a_worker_writes_over_each_of_its_keys(redis_url: str, plain: redis.Redis, kind: str) -> None:
    keys = ["rec:default:ann", "popular", "similar:a", "removed", "workers", "metrics:w", "marker:0"]

    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        for key in keys:
            corrupt(plain, key, kind)
        assert await my.markers.detect() == {0}
        assert (await my.slates.write([slate("ann", as_of(1))], Upto(0, 1))).lost
        rewrite = await my.markers.begin(0)
        corrupt(plain, "marker:0", kind)
        assert not await my.markers.complete(rewrite)
        assert await my.markers.complete(await my.markers.begin(0))
        await my.lists.write_tops({"popular": Row(["p"])}, as_of=as_of(1), model="m")
        await my.lists.write_similar({"a": Row(["b"])}, as_of=as_of(1), model="m")
        await my.lists.restore_items(["x"])
        corrupt(plain, "removed", kind)
        await my.lists.remove_items(["q"])
        await LastValuesStore(my.redis, my.settings, my.clock, worker="w").write({"lag": 1.0})
        assert await my.slates.read("ann") is not None

    with_stores(StoreSettings(url=redis_url), story)
    with Client.at(redis_url) as client:
        assert client.recommendations("ann").origin == "personal"
        assert [place.item_id for place in client.popular()] == ["p"]
        assert client.similar("a")
    assert plain.zscore("removed", "q") is not None
    assert plain.zscore("workers", "w") is not None


def test_two_workers_of_one_host_and_process_have_two_names() -> None:
    assert worker_name() != worker_name()
