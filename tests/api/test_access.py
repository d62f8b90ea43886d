"""Keys: what each allows, when it works, and that what is stored does not let anybody in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import pytest
import redis

from stream_rec.api.access.book import KeyBook
from stream_rec.api.access.key import new_key
from stream_rec.api.access.limit import Limits
from stream_rec.api.access.visitor import sign, visitor_of
from stream_rec.clock import ManualClock, SystemClock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import Settings
from stream_rec.store.api_keys import ApiKey, ApiKeyQuestions
from stream_rec.store.reader import AsyncReader, Reader
from tests.api.serving import Serve
from tests.api.test_events import event
from tests.waiting import wait_until

READS, LISTS = "/v1/users/ann/recommendations", "/v1/lists/popular"


def make(settings: Settings, *scopes: str, name: str = "shop", rate: float = 0.0) -> tuple[ApiKey, str]:
    reader, questions = Reader(settings.store), ApiKeyQuestions(settings.store.prefix)
    try:
        key, text = new_key(name, scopes, rate, 1.0, reader.answer(questions.all()))
        reader.answer(questions.add(key))
        return key, text
    finally:
        reader.close()


def revoke(settings: Settings, key: ApiKey) -> None:
    reader = Reader(settings.store)
    assert reader.answer(ApiKeyQuestions(settings.store.prefix).remove(key.key_id))
    reader.close()


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


@pytest.fixture
def fresh(bus: Settings) -> Settings:
    """Keys are read anew for every request."""
    return bus.model_copy(update={"serve": bus.serve.model_copy(update={"key_seconds": 0.0})})


def test_from_the_first_key_on_every_request_needs_one(serve: Serve, fresh: Settings) -> None:
    http = serve(fresh)
    assert http.get(LISTS).status_code == 200
    _, text = make(fresh, "read")
    assert http.get(LISTS).status_code == 401
    assert http.get(LISTS, headers=bearer(text)).status_code == 200
    assert http.get(LISTS, headers={**bearer(text), "x-forwarded-for": "10.0.0.7"}).status_code == 200
    assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize("wrong", ["x", "srk_000000000000_" + "a" * 43, "Basic eDp5"])
def test_a_key_that_is_none_lets_nobody_in(serve: Serve, fresh: Settings, wrong: str) -> None:
    make(fresh, "read")
    found = serve(fresh).get(LISTS, headers={"authorization": wrong if " " in wrong else f"Bearer {wrong}"})
    assert found.status_code == 401
    assert found.headers["www-authenticate"] == "Bearer"


def test_what_redis_holds_is_no_key(serve: Serve, fresh: Settings) -> None:
    key, text = make(fresh, "read")
    with redis.Redis.from_url(fresh.store.url) as client:
        stored = client.hget("api-keys", key.key_id)
    assert isinstance(stored, bytes)
    assert text.rpartition("_")[2].encode() not in stored
    forged = f"srk_{key.key_id}_{key.secret_hash[:43]}"
    assert serve(fresh).get(LISTS, headers=bearer(forged)).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "read", "publish"), [(("read",), 200, 403), (("publish",), 403, 202), (("admin",), 200, 202)]
)
def test_a_scope_allows_what_it_says(
    serve: Serve, fresh: Settings, scopes: Sequence[str], read: int, publish: int
) -> None:
    http, headers = serve(fresh), bearer(make(fresh, *scopes)[1])
    assert http.get(LISTS, headers=headers).status_code == read
    assert http.post("/v1/events", json=event(), headers=headers).status_code == publish


def test_two_keys_of_a_name_work_side_by_side_and_a_revoked_one_does_not(
    serve: Serve, fresh: Settings
) -> None:
    http = serve(fresh)
    (old, old_text), (_, new_text) = make(fresh, "read"), make(fresh, "read")
    assert [http.get(LISTS, headers=bearer(text)).status_code for text in (old_text, new_text)] == [200, 200]
    with pytest.raises(ConfigError, match="2 keys of shop"):
        make(fresh, "read")
    revoke(fresh, old)
    assert [http.get(LISTS, headers=bearer(text)).status_code for text in (old_text, new_text)] == [401, 200]


def test_a_revoked_key_works_no_longer_than_keys_are_kept(serve: Serve, bus: Settings) -> None:
    kept = bus.model_copy(update={"serve": bus.serve.model_copy(update={"key_seconds": 0.2})})
    http = serve(kept)
    make(kept, "read", name="other")
    key, text = make(kept, "read")
    assert http.get(LISTS, headers=bearer(text)).status_code == 200
    revoke(kept, key)
    wait_until(lambda: http.get(LISTS, headers=bearer(text)).status_code == 401)


def test_beyond_its_rate_a_key_is_told_to_wait(serve: Serve, fresh: Settings) -> None:
    http, headers = serve(fresh), bearer(make(fresh, "read", rate=0.01)[1])
    assert http.get(LISTS, headers=headers).status_code == 200
    found = http.get(LISTS, headers=headers)
    assert found.status_code == 429
    assert found.headers["retry-after"] == "100"  # one request in so many seconds


def test_what_a_limit_does_not_use_is_saved_up_for_two_seconds() -> None:
    clock = ManualClock()
    limits = Limits(clock)
    assert [limits.take("k", 2.0) for _ in range(5)] == [0.0] * 4 + [0.5]
    clock.advance(0.5)
    assert [limits.take("k", 2.0) for _ in range(2)] == [0.0, 0.5]
    clock.advance(0.25)
    assert limits.take("k", 2.0) == 0.25
    clock.advance(100)
    assert [limits.take("k", 2.0) for _ in range(5)] == [0.0] * 4 + [0.5]


def test_limits_of_many_keys_are_bounded() -> None:
    limits = Limits(ManualClock())
    for key in range(10_000):
        assert limits.take(str(key), 1.0) == 0.0
    assert len(limits._filled) == 4096


class TestBrowser:
    """A browser key is public: it speaks of its own visitor only."""

    @pytest.fixture
    def http(self, serve: Serve, fresh: Settings) -> httpx.Client:
        return serve(fresh)

    @pytest.fixture
    def key(self, fresh: Settings) -> tuple[ApiKey, str]:
        return make(fresh, "browser", name="page")

    def test_it_gets_a_visitor_and_speaks_of_him(self, http: httpx.Client, key: tuple[ApiKey, str]) -> None:
        made = http.post("/v1/visitors", headers=bearer(key[1]))
        assert made.status_code == 201
        visitor = made.json()
        headers = {**bearer(key[1]), "x-visitor-token": visitor["token"]}
        mine = event(user_id=visitor["user_id"])
        assert http.post("/v1/events", json=mine, headers=headers).status_code == 202
        assert http.get(f"/v1/users/{visitor['user_id']}/recommendations", headers=headers).status_code == 200

    def test_a_beacon_sends_key_and_token_as_parameters(
        self, http: httpx.Client, key: tuple[ApiKey, str]
    ) -> None:
        visitor = http.post("/v1/visitors", params={"key": key[1]}).json()
        sent = {"key": key[1], "visitor": visitor["token"]}
        mine = [event(user_id=visitor["user_id"])]
        assert http.post("/v1/events/batch", json=mine, params=sent).status_code == 202

    def test_it_speaks_of_nobody_else(self, http: httpx.Client, key: tuple[ApiKey, str]) -> None:
        visitor = http.post("/v1/visitors", headers=bearer(key[1])).json()
        headers = {**bearer(key[1]), "x-visitor-token": visitor["token"]}
        assert http.get(READS, headers=headers).status_code == 403
        assert http.post("/v1/events", json=event(), headers=headers).status_code == 403
        both = [event(), event(user_id=visitor["user_id"])]
        told = http.post("/v1/events/batch", json=both, headers=headers).json()
        assert [each["status"] for each in told["results"]] == [403, 202]

    def test_its_visitors_keep_who_they_are_when_it_is_rotated(
        self, http: httpx.Client, key: tuple[ApiKey, str], fresh: Settings
    ) -> None:
        visitor = http.post("/v1/visitors", headers=bearer(key[1])).json()
        newer, other = make(fresh, "browser", name="page"), make(fresh, "browser", name="app")
        revoke(fresh, key[0])
        for (_, text), status in ((newer, 200), (other, 403), (key, 401)):
            headers = {**bearer(text), "x-visitor-token": visitor["token"]}
            assert (
                http.get(f"/v1/users/{visitor['user_id']}/recommendations", headers=headers).status_code
                == status
            )

    def test_it_does_nothing_else(self, http: httpx.Client, key: tuple[ApiKey, str]) -> None:
        token = http.post("/v1/visitors", headers=bearer(key[1])).json()["token"]
        headers = {**bearer(key[1]), "x-visitor-token": token}
        assert http.get(LISTS, headers=headers).status_code == 403
        assert http.get(READS, headers=bearer(key[1])).status_code == 403

    def test_it_cannot_say_who_it_is_but_a_server_can(
        self, http: httpx.Client, key: tuple[ApiKey, str], fresh: Settings
    ) -> None:
        wanted = {"user_id": "ann", "key_id": key[0].key_id}
        assert http.post("/v1/visitors", json=wanted, headers=bearer(key[1])).status_code == 403
        _, text = make(fresh, "publish", name="backend")
        token = http.post("/v1/visitors", json=wanted, headers=bearer(text)).json()["token"]
        assert http.get(READS, headers={**bearer(key[1]), "x-visitor-token": token}).status_code == 200


def test_a_token_is_good_for_its_visitor_its_key_and_its_time() -> None:
    secret, other = "ab" * 32, "cd" * 32
    token = sign("änn/1", 100, secret)
    assert visitor_of(token, secret, 99.9) == "änn/1"
    assert visitor_of(token, secret, 100.0) is None
    assert visitor_of(token, other, 0.0) is None
    for place in range(len(token)):
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert visitor_of(forged, secret, 0.0) is None
    for junk in ("", ".", "..", "a.b.c", "é", "x" * 5000):
        assert visitor_of(junk, secret, 0.0) is None


def test_names_and_scopes_of_keys() -> None:
    for name, scopes in (("", ["read"]), ("a b", ["read"]), ("a", ["write"]), ("a", ["browser", "read"])):
        with pytest.raises(ConfigError):
            new_key(name, scopes, 0.0, 1.0, [])


def test_redis_is_asked_once_for_all_requests_that_wait_for_the_same_key(tansu_settings: Settings) -> None:
    """Else every request asks a Redis that answers slowly, and it answers more slowly."""
    key, _ = make(tansu_settings, "read")
    store = tansu_settings.store

    async def story() -> None:
        reader = AsyncReader(store)
        book = KeyBook(reader, store.prefix, 3600.0, SystemClock())
        try:
            gone = asyncio.create_task(book.find(key.key_id))
            waiting = [asyncio.create_task(book.find(key.key_id)) for _ in range(50)]
            empty = [asyncio.create_task(book.is_empty()) for _ in range(50)]
            await asyncio.sleep(0)
            gone.cancel()
            assert set(await asyncio.gather(*waiting)) == {key}
            assert not any(await asyncio.gather(*empty))
            assert await book.find(key.key_id) == key
        finally:
            await reader.close()

    with redis.Redis.from_url(store.url) as client:
        before = client.info("commandstats").get("cmdstat_hget", {}).get("calls", 0)
        asyncio.run(story())
        assert client.info("commandstats")["cmdstat_hget"]["calls"] - before == 2


def test_a_redis_that_is_away_is_told_to_all_who_wait(tansu_settings: Settings) -> None:
    away = tansu_settings.store.model_copy(update={"url": "redis://127.0.0.1:9/0", "timeout_seconds": 0.5})

    async def story() -> list[object]:
        reader = AsyncReader(away)
        try:
            book = KeyBook(reader, away.prefix, 10.0, SystemClock())
            return list(await asyncio.gather(*[book.find("k") for _ in range(3)], return_exceptions=True))
        finally:
            await reader.close()

    told = asyncio.run(story())
    assert len(told) == 3
    assert all(isinstance(each, Unavailable) for each in told)
