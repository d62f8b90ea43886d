"""What stands between us and Redis knows little or is slow; and a Redis that is called Valkey."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from structlog.testing import capture_logs

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.store.last_values import LastValuesStore
from stream_rec.store.markers import Upto
from stream_rec.store.reader import Reader
from tests.store.building import LOG, Stores, as_of, findings, slate, slates, with_stores
from tests.store.servers import Front, front, valkey

USERS = [f"u{n}" for n in range(64)]
NICETIES = frozenset({b"HELLO", b"CLIENT", b"INFO"})


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Front]:
    with front(redis_server.port) as made:
        yield made


def store(proxy: Front, **more: float) -> StoreSettings:
    return StoreSettings(url=f"redis://127.0.0.1:{proxy.port}/0", **more)  # type: ignore[arg-type]


async def everything(my: Stores) -> None:
    """All that a worker does."""
    my.markers.own(0, LOG, -1)
    assert await my.markers.detect() == {0}
    assert await my.markers.complete(await my.markers.begin(0))
    assert (await my.slates.write(slates(USERS, as_of(1)), Upto(0, 1))).n_written == len(USERS)
    assert await my.markers.detect() == frozenset()
    await my.lists.remove_items(["a"])
    await LastValuesStore(my.redis, my.settings, my.clock, worker="w").write({"lag": 1.0})
    assert await my.slates.read("u0") is not None


def read_everything(settings: StoreSettings) -> None:
    """All that a reader does."""
    reader = Reader(settings)
    assert reader.slate("u0", "default") is not None
    assert reader.removed(["a", "b"]) == {"a"}
    assert reader.last_values()["w"].values == {"lag": 1.0}
    reader.close()


def test_a_proxy_that_refuses_what_is_only_nice_to_have(proxy: Front) -> None:
    proxy.refused = NICETIES
    with_stores(store(proxy), everything)
    read_everything(store(proxy))


def test_a_proxy_that_hangs_up_at_it_is_got_along_with_after_some_tries(proxy: Front) -> None:
    """Twemproxy does so. `detect` gives INFO three tries: it might have been a restart."""
    proxy.refused, proxy.hangs_up = NICETIES, True

    async def story(my: Stores) -> None:
        with pytest.raises(Unavailable):
            await my.slates.write([slate("ann", as_of(1))])  # CLIENT SETNAME
        my.markers.own(1, LOG, -1)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await my.markers.detect()
        assert await my.markers.detect() == {1}
        my.markers.release(1)
        await everything(my)

    with_stores(store(proxy), story)
    read_everything(store(proxy))


@pytest.mark.parametrize("hangs_up", [False, True])
def test_the_doctor_says_what_it_cannot_see(proxy: Front, hangs_up: bool) -> None:
    proxy.refused, proxy.hangs_up = NICETIES, hangs_up
    found = findings(store(proxy))
    assert not [one for one in found if one.status == "fail"]
    assert any("INFO is not answered" in one.what for one in found)
    assert any("scripts run" in one.what for one in found)


def test_a_proxy_that_loads_no_scripts_is_sent_their_text(proxy: Front, redis_server: RedisServer) -> None:
    proxy.refused = frozenset({b"SCRIPT"})
    with redis.Redis.from_url(redis_server.url) as admin:
        admin.script_flush()
    with_stores(store(proxy), everything)


# --- a slow link: K36


def test_a_batch_too_large_for_the_time_goes_in_smaller_portions(proxy: Front) -> None:
    """64 slates of 300 bytes: no pipeline of all of them is through in a second, one of 16 is."""
    proxy.bytes_per_second = 15_000

    async def story(my: Stores) -> None:
        batch = slates(USERS, as_of(1))
        tries = 0
        with capture_logs() as said:
            while True:
                tries += 1
                try:
                    written = await my.slates.write(batch)
                    break
                except Unavailable:
                    assert tries < 8, "each try is smaller than the one before"
        assert written.n_written == len(USERS)
        assert tries > 1
        slow = [line["keys"] for line in said if line["event"].startswith("redis is slow")]
        assert slow == sorted(slow, reverse=True)
        assert slow[-1] < 64

    with_stores(store(proxy, timeout_seconds=0.5), story)


# --- Valkey


def test_valkey_is_a_redis_under_its_own_name() -> None:
    with valkey() as server:
        settings = StoreSettings(url=server.url)
        with_stores(settings, everything)
        read_everything(settings)
        found = findings(settings)
        assert not [one for one in found if one.status == "fail"]
        assert any(one.what.startswith("Valkey 9.") for one in found), found
        with_stores(StoreSettings(url=server.url.replace("redis", "valkey"), prefix="b:"), everything)
