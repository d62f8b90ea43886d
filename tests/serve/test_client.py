"""Reading recommendations from one's own code: one suite for the clients with and without asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import redis

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.serve.client import AsyncClient, Client
from stream_rec.settings import StoreSettings
from stream_rec.store.keys import NEVER
from tests.store.building import LOG, Stores, as_of, slate, slates, with_stores
from tests.store.test_lists import Row


class Ack(NamedTuple):
    """What a publisher gets back."""

    topic: str
    partition: int
    offset: int


@pytest.fixture
def store(redis_url: str) -> StoreSettings:
    return StoreSettings(url=redis_url)


class InLoop:
    """An AsyncClient, called as a Client is; each call runs in this object's event loop."""

    def __init__(self, settings: StoreSettings, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(settings, **options)

    @classmethod
    def at(cls, url: str) -> InLoop:
        AsyncClient.at(url)
        return cls(StoreSettings(url=url))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **options: self._runner.run(method(*args, **options))

    def __enter__(self) -> InLoop:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


@pytest.fixture(params=[Client, InLoop], ids=["blocking", "asyncio"])
def kind(request: pytest.FixtureRequest) -> type[Client]:
    """The class under test; InLoop passes for a Client."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def client(kind: type[Client], redis_url: str) -> Iterator[Client]:
    with kind.at(redis_url) as opened:
        yield opened


def ids(places) -> list[str]:  # type: ignore[no-untyped-def]
    return [place.item_id for place in places]


@pytest.fixture
def shop(store: StoreSettings) -> None:
    """Ann has a slate up to event 5 of partition 0; there are lists for everybody."""

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(5), ["a", "b", "c"])])
        await my.slates.write(slates(["ann"], as_of(5), ["h"], scenario="home"))
        tops = {"popular": Row(["p", "q", "r"]), "trending": Row(["t"]), "new": Row(["n"])}
        await my.lists.write_tops(tops, as_of=as_of(5), model="m")  # type: ignore[arg-type]
        await my.lists.write_similar({"a": Row(["b", "p"]), "b": Row(["s"])}, as_of=as_of(5), model="m")

    with_stores(store, story)


def remove(store: StoreSettings, *items: str) -> None:
    async def story(my: Stores) -> None:
        await my.lists.remove_items(items)

    with_stores(store, story)


@pytest.mark.usefixtures("shop")
def test_a_known_user_gets_the_slate_with_its_reasons(client: Client) -> None:
    answer = client.recommendations("ann")
    assert ids(answer.items) == ["a", "b", "c"]
    assert (answer.origin, answer.stale) == ("personal", False)
    assert answer.items[0].reason.source == "popularity"
    assert answer.slate is not None
    assert answer.slate.as_of == as_of(5)


@pytest.mark.usefixtures("shop")
def test_each_scenario_has_its_own_slate(client: Client) -> None:
    assert ids(client.recommendations("ann", "home").items) == ["h"]


@pytest.mark.usefixtures("shop")
def test_no_more_than_k(client: Client) -> None:
    assert ids(client.recommendations("ann", k=2).items) == ["a", "b"]
    assert ids(client.recommendations("bob", k=2).items) == ["p", "q"]
    assert ids(client.similar("a", k=1)) == ["b"]
    assert ids(client.popular(k=1)) == ["p"]


@pytest.mark.usefixtures("shop")
def test_an_unknown_user_gets_what_fits_the_session(client: Client) -> None:
    answer = client.recommendations("bob", session=["b", "a"])
    assert ids(answer.items) == ["p", "s"]
    assert (answer.origin, answer.slate) == ("session", None)
    assert answer.items[0].reason.item_id == "a"


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("session", [[], ["unknown"]])
def test_an_unknown_user_without_a_telling_session_gets_what_is_popular(
    client: Client, session: list[str]
) -> None:
    answer = client.recommendations("bob", session=session)
    assert ids(answer.items) == ["p", "q", "r"]
    assert answer.origin == "popular"
    assert answer.items[0].reason.source == "popular"


def test_where_nothing_was_ever_written_the_answer_says_so(client: Client) -> None:
    answer = client.recommendations("ann")
    assert (answer.items, answer.origin) == ((), "none")
    assert client.similar("a") == client.popular() == client.trending() == client.new() == ()


@pytest.mark.usefixtures("shop")
def test_lists_for_everybody(client: Client) -> None:
    assert ids(client.similar("a")) == ["b", "p"]
    assert client.similar("a")[0].reason.item_id == "a"
    assert ids(client.popular()) == ["p", "q", "r"]
    assert ids(client.trending()) == ["t"]
    assert ids(client.new()) == ["n"]


@pytest.mark.usefixtures("shop")
def test_removed_items_are_nowhere(client: Client, store: StoreSettings) -> None:
    remove(store, "a", "p")
    answer = client.recommendations("ann", k=2)
    assert ids(answer.items) == ["b", "c"], "filled up from the rest of the slate"
    assert ids(answer.slate.items) == ["a", "b", "c"]  # type: ignore[union-attr]
    assert ids(client.recommendations("bob").items) == ["q", "r"]
    assert ids(client.recommendations("bob", session=["b", "x"]).items) == ["s"]
    assert client.similar("a") == ()
    assert ids(client.popular()) == ["q", "r"]


def test_however_many_were_removed_the_slate_is_filled_from_its_end(
    client: Client, store: StoreSettings
) -> None:
    items = [f"i{n}" for n in range(40)]

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(5), items)])

    with_stores(store, story)
    remove(store, *items[:20], items[22])
    assert ids(client.recommendations("ann", k=3).items) == ["i20", "i21", "i23"]
    assert ids(client.recommendations("ann", k=3, session=["i20"]).items) == ["i21", "i20", "i23"]


@pytest.mark.usefixtures("shop")
def test_a_slate_of_nothing_but_removed_items_falls_back(client: Client, store: StoreSettings) -> None:
    remove(store, "a", "b", "c")
    answer = client.recommendations("ann")
    assert (ids(answer.items), answer.origin) == (["p", "q", "r"], "popular")


# --- scenarios


def write_scenarios(store: StoreSettings, *names: str) -> None:
    async def story(my: Stores) -> None:
        await my.lists.write_scenarios(names)

    with_stores(store, story)


@pytest.mark.usefixtures("shop")
def test_an_unknown_scenario_is_an_error_that_names_those_there_are(
    client: Client, store: StoreSettings
) -> None:
    write_scenarios(store, "home", "default")
    for user in ("ann", "a stranger"):
        with pytest.raises(ConfigError, match="no scenario 'hmoe'") as refused:
            client.recommendations(user, "hmoe", session=["a"])
        assert refused.value.fix == "one of default, home"
    assert client.recommendations("a stranger", "home").origin == "popular"


@pytest.mark.usefixtures("shop")
def test_while_no_worker_has_said_which_there_are_nobody_is_refused(client: Client) -> None:
    assert client.recommendations("a stranger", "home").origin == "popular"


def test_workers_with_other_scenarios_do_not_hide_each_others(client: Client, store: StoreSettings) -> None:
    write_scenarios(store, "default")
    write_scenarios(store, "default", "cart")
    write_scenarios(store, "default")
    assert client.recommendations("a stranger", "cart").origin == "none"


# --- the item just clicked


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("user", "session", "shown"),
    [
        ("ann", ["b", "a"], ["b", "a", "c"]),
        ("ann", ["a", "b"], ["a", "b", "c"]),
        ("bob", ["nobody knows it", "p"], ["q", "p", "r"]),
        ("bob", ["b", "a"], ["p", "s"]),
    ],
)
def test_the_item_just_clicked_does_not_lead_whoever_answers(
    client: Client, user: str, session: list[str], shown: list[str]
) -> None:
    answer = client.recommendations(user, session=session)
    assert ids(answer.items) == shown
    scores = [place.score for place in answer.items]
    assert scores == sorted(scores, reverse=True)
    assert ids(client.recommendations(user, session=session, k=1).items) == shown[:1]


# --- reading your own write


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("offset", [0, 4, 5])
def test_a_slate_that_knows_the_event_comes_at_once(client: Client, offset: int) -> None:
    answer = client.recommendations("ann", after=Ack("events", 0, offset), timeout_seconds=0)
    assert (answer.origin, answer.stale) == ("personal", False)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("ack", [Ack("events", 0, 6), Ack("events", 1, 5), Ack("events", 0, -1)])
def test_a_slate_that_does_not_know_the_event_in_time_is_marked_stale(client: Client, ack: Ack) -> None:
    answer = client.recommendations("ann", after=ack, timeout_seconds=0.02)
    assert (ids(answer.items), answer.origin, answer.stale) == (["a", "b", "c"], "personal", True)


@pytest.mark.usefixtures("shop")
def test_an_unknown_user_whose_event_is_not_learned_in_time_gets_a_stale_fallback(client: Client) -> None:
    answer = client.recommendations("bob", after=Ack("events", 0, 6), timeout_seconds=0.02)
    assert (answer.origin, answer.stale) == ("popular", True)


@pytest.mark.usefixtures("shop")
def test_it_waits_until_the_slate_knows_the_event(client: Client, store: StoreSettings) -> None:
    """A worker that writes events 6, 7 and 8 one after the other, while the reader waits for 8."""

    async def story(my: Stores) -> None:
        for offset in (6, 7, 8):
            await my.slates.write([slate("ann", as_of(offset), [f"after-{offset}"])])

    late = threading.Timer(0.05, with_stores, (store, story))
    late.start()
    answer = client.recommendations("ann", after=Ack("events", 0, 8), timeout_seconds=20)
    late.join()
    assert (ids(answer.items), answer.stale) == (["after-8"], False)


@pytest.mark.usefixtures("shop")
def test_a_slate_of_an_earlier_incarnation_of_the_log_knows_nothing_of_this_one(
    kind: type[Client], store: StoreSettings
) -> None:
    for log, stale in ((LOG, False), ("recreated", True)):
        with kind(store, log=log) as client:
            answer = client.recommendations("ann", after=Ack("events", 0, 3), timeout_seconds=0.01)
            assert answer.stale is stale


# --- errors


def test_a_restart_of_redis_between_two_reads_goes_unseen(redis_server: RedisServer, client: Client) -> None:
    client.recommendations("ann")
    redis_server.down()
    redis_server.start_again()
    assert client.recommendations("ann").origin == "none"


def test_a_redis_that_is_down_is_said_within_the_timeout(redis_server: RedisServer, client: Client) -> None:
    redis_server.down()
    try:
        with pytest.raises(Unavailable, match="redis"):
            client.recommendations("ann")
    finally:
        redis_server.start_again()


def test_a_wrong_url_or_scenario_is_said_at_once(kind: type[Client], client: Client) -> None:
    with pytest.raises(ConfigError, match=r"store\.url"):
        kind.at("")
    with pytest.raises(ConfigError, match="scenario"):
        client.recommendations("ann", "no:such")


def test_any_id_can_be_read(client: Client, store: StoreSettings, redis_url: str) -> None:
    user = "{a}:b c\nå"

    async def story(my: Stores) -> None:
        await my.slates.write([slate(user, as_of(1), [user])])

    with_stores(store, story)
    remove(store, "x")
    assert ids(client.recommendations(user).items) == [user]
    assert redis.Redis.from_url(redis_url).exists(f"rec:default:{user}")


# --- asyncio alone


@pytest.mark.usefixtures("shop")
def test_other_tasks_run_while_one_waits_for_its_slate(store: StoreSettings) -> None:
    async def story() -> None:
        async with AsyncClient(store) as client:
            waiting = asyncio.create_task(
                client.recommendations("ann", after=Ack("events", 0, 6), timeout_seconds=60)
            )
            for _ in range(3):
                assert ids(await client.popular()) == ["p", "q", "r"]
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert (await client.recommendations("ann")).origin == "personal", (
                "a cancelled wait harms no other"
            )

    asyncio.run(story())


def test_what_is_popular_is_no_fallback_for_a_scenario_with_rules(
    client: Client, store: StoreSettings
) -> None:
    async def story(my: Stores) -> None:
        tops = {"popular": Row(["p"])}
        await my.lists.write_tops(tops, as_of=as_of(5), model="m", not_for=["home"])  # type: ignore[arg-type]
        await my.lists.write_similar({"a": Row(["b"])}, as_of=as_of(5), model="m")

    with_stores(store, story)
    assert client.recommendations("stranger", "home", session=["a"]).origin == "none"
    assert ids(client.recommendations("stranger").items) == ["p"]


def test_what_goes_with_a_basket_is_none_of_it(client: Client, store: StoreSettings) -> None:
    async def story(my: Stores) -> None:
        rows = {"a": Row(["b", "x", "y"]), "b": Row(["y", "a"])}
        await my.lists.write_similar(rows, as_of=as_of(5), model="m")

    with_stores(store, story)
    assert ids(client.together(["a", "b"])) == ["y", "x"]
    assert client.together([]) == ()


@pytest.mark.usefixtures("shop")
def test_what_a_user_never_wants_to_see_is_in_no_other_answer_either(
    client: Client, store: StoreSettings
) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write(slates(["eve"], as_of(6), ["p", "b"], scenario=NEVER))

    with_stores(store, story)
    assert ids(client.recommendations("eve").items) == ["q", "r"]
    assert ids(client.recommendations("eve", session=["a", "b"]).items) == ["s"]
    assert ids(client.recommendations("eve", session=["a"]).items) == ["q", "r"]
    assert ids(client.recommendations("bob", session=["a"]).items) == ["b", "p"]
