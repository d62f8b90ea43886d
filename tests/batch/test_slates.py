"""Slates of a batch for users whom the stream does not know: without Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_rec.batch import slates
from stream_rec.batch.als import Trained, UserBlock
from stream_rec.batch.order import Mix, Order, standardised
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import ManualClock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import ERASURE, MERGE, SCENARIO, name_about
from stream_rec.schemas.records import AsOf, Control, Item, PublishedRecord, Slate
from stream_rec.schemas.topics import Ack
from stream_rec.serve.client import Client
from stream_rec.settings import ScenarioSettings, Settings
from stream_rec.store.keys import NEVER
from stream_rec.store.reader import Reader
from tests.cli.running import addresses, run
from tests.store.building import Stores, as_of, with_stores
from tests.store.building import slate as live_slate

NOW = 1_700_000_000.0
ITEMS = ("a", "b", "c", "d", "e")
FACTORS = np.array([[5, 0], [4, 1], [3, 2], [2, 3], [1, 4]], np.float32)
"""Who is like [1, 0] wants a, b, c, d, e in this order; who is like [0, 1] the other way."""


@pytest.fixture
def shop(tansu_settings: Settings) -> Settings:
    ensure_topics(tansu_settings.bus)
    engine = tansu_settings.engine.model_copy(
        update={"scenarios": {"default": ScenarioSettings(), "short": ScenarioSettings(k=2)}}
    )
    return tansu_settings.model_copy(update={"engine": engine})


def publish(shop: Settings, *records: PublishedRecord) -> list[Ack]:
    with Publisher(shop.bus, shop.ingest) as publisher:
        return publisher.publish_all(records)


def trained(users: dict[str, Sequence[int]], between: Callable[[], Any] = lambda: None) -> Trained:
    """A fit of users who all want a most, and what they had; `between` is done before the last block."""

    def blocks(n_users: int) -> Iterator[UserBlock]:
        assert n_users == 1024
        names = list(users)
        for some in (names[:-1], names[-1:]):
            if some == names[-1:]:
                between()
            had = [np.array(users[name], np.int64) for name in some]
            if some:
                yield UserBlock(some, np.tile(np.array([1, 0], np.float32), (len(some), 1)), had)

    return Trained(ITEMS, FACTORS, metrics={"users": len(users)}, latest_ts=NOW, user_blocks=blocks)


def write(shop: Settings, found: Trained, scenarios: Sequence[str] = ("default",)) -> slates.Slated:
    clock = ManualClock(NOW + 60)
    return slates.write(found, shop, slates.ask(shop, scenarios, clock), model="als@f00", clock=clock)


def held(shop: Settings, user: str, scenario: str = "default") -> Slate | None:
    with closing(Reader(shop.store)) as reader:
        return reader.slate(user, scenario)


def ids(shop: Settings, user: str, scenario: str = "default") -> list[str]:
    slate = held(shop, user, scenario)
    return [] if slate is None else [each.item_id for each in slate.items]


def in_store(shop: Settings, story: Callable[[Stores], Any]) -> None:
    with_stores(shop.store, story)


def test_users_get_the_best_of_what_they_have_not_had(shop: Settings) -> None:
    (ack,) = publish(shop, Control(SCENARIO, "other", NOW, {}))
    found = write(shop, trained({"ann": [], "bob": [0, 2], "all": range(5)}), ("default", "short"))
    assert found == slates.Slated(written=4, left=0, without=1, deleted=0)
    assert found.in_words == "4 written, 0 left because the stream knows them, 1 users without"
    assert ids(shop, "ann") == ["a", "b", "c", "d", "e"]
    assert ids(shop, "bob") == ["b", "d", "e"]
    assert ids(shop, "ann", "short") == ["a", "b"]
    assert held(shop, "all") is None
    slate = held(shop, "bob")
    assert slate is not None
    assert slate.as_of == AsOf("batch", -1, int((NOW + 60) * 1000), -2, NOW, ack.offset)
    assert slate.as_of.is_of_batch
    assert (slate.model, slate.created_ts) == ("als@f00", NOW + 60)
    assert [(each.score, each.reason.source) for each in slate.items] == [
        (0.7071, "batch"),
        (-0.7071, "batch"),
        (-1.4142, "batch"),
    ]


def test_what_is_popular_has_its_share_in_the_order(shop: Settings) -> None:
    """To whoever wants a, b, c, d, e in this order, `e` is shown first where it is popular, and `a` second."""
    order = Order(Mix(0.25, 7.0), standardised(np.array([1, 0, 0, 0, 9], np.float32)))
    write(shop, replace(trained({"ann": [], "bob": [0]}), order=order))
    assert (ids(shop, "ann"), ids(shop, "bob")) == (["e", "a", "b", "c", "d"], ["e", "b", "c", "d"])


def test_users_whom_the_stream_knows_keep_their_slate(shop: Settings) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write([live_slate("ann", as_of(1))])

    in_store(shop, story)
    assert write(shop, trained({"ann": [], "bob": []}))[:2] == (1, 1)
    slate = held(shop, "ann")
    assert slate is not None
    assert slate.as_of == as_of(1)


def test_nothing_is_shown_that_may_not_be(shop: Settings) -> None:
    """In the catalogue `e` is sold out, `b` is not in it (any more), `d` was removed a moment ago."""
    publish(shop, *[Item(each) for each in "acd"], Item("e", available=False))

    async def story(my: Stores) -> None:
        await my.lists.remove_items(["d"])
        never = live_slate("ann", as_of(1), ["a", "unknown"])
        await my.redis.execute("SET", f"{shop.store.prefix}rec:{NEVER}:ann", never.json)

    in_store(shop, story)
    write(shop, trained({"ann": [], "bob": []}))
    assert (ids(shop, "ann"), ids(shop, "bob")) == (["c"], ["a", "c"])


def test_a_catalogue_without_anything_to_show_hides_only_what_it_names(shop: Settings) -> None:
    publish(
        shop,
        Item("a", hidden=True),
        Item("b", available_until=NOW - 1),
        Item("c", available_from=NOW + 1),
    )
    write(shop, trained({"ann": []}))
    assert ids(shop, "ann") == ["d", "e"]


def test_who_is_forgotten_gets_none_also_if_it_happens_meanwhile(shop: Settings) -> None:
    publish(
        shop,
        Control(ERASURE, name_about("ann"), NOW, {}),
        Control(MERGE, name_about("visitor"), NOW, {"user_id": "cid"}),
    )
    seen: list[Slate | None] = []

    def forget() -> None:
        seen.append(held(shop, "bob"))
        publish(shop, *[Control(ERASURE, name_about(user), NOW, {}) for user in ("bob", "dot")])

        async def story(my: Stores) -> None:
            await my.slates.write([live_slate("dot", as_of(1))])

        with ThreadPoolExecutor(1) as another:  # this one has an event loop that runs
            another.submit(in_store, shop, story).result()

    found = write(shop, trained({"ann": [], "visitor": [], "bob": [], "dot": [], "cid": []}, forget))
    assert seen[0] is not None, "bob had one"
    assert found == slates.Slated(written=3, left=0, without=2, deleted=1)
    assert [held(shop, user) is None for user in ("ann", "visitor", "bob", "dot", "cid")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_scenarios_whose_slates_would_not_count_are_refused(shop: Settings) -> None:
    publish(
        shop,
        Control(SCENARIO, "ruled", NOW, {"filter": "price < 5.0"}),
        Control(SCENARIO, "off", NOW, {"on": False}),
    )
    with pytest.raises(ConfigError, match="ruled has rules, and a batch's slate knows none"):
        slates.ask(shop, ["default", "ruled"])
    with pytest.raises(ConfigError, match="off is off"):
        slates.ask(shop, ["off"])
    with pytest.raises(ConfigError, match="no scenario is called 'defualt'"):
        slates.ask(shop, ["defualt"])


def test_without_redis_nothing_is_trained(shop: Settings) -> None:
    store = shop.store.model_copy(update={"url": "redis://127.0.0.1:1/0"})
    with pytest.raises(Unavailable, match=r"nothing was trained: start it, or leave --slates out"):
        slates.ask(shop.model_copy(update={"store": store}), ["default"])


def test_when_redis_stays_away_amid_the_writing_it_says_so(
    shop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slates, "WAIT_SECONDS", 0.2)
    asked = slates.ask(shop, ["default"])
    store = shop.store.model_copy(update={"url": "redis://127.0.0.1:1/0"})
    with pytest.raises(Unavailable, match="what is written stays: run it again"):
        slates.write(trained({"ann": []}), shop.model_copy(update={"store": store}), asked, model="m")


def test_no_reader_takes_it_for_what_the_stream_has_learned(shop: Settings) -> None:
    write(shop, trained({"ann": []}))
    with Client(shop.store) as client:
        found = client.recommendations("ann", k=2, after=Ack("events", -1, 0), timeout_seconds=0.0)
    assert ([each.item_id for each in found.items], found.origin, found.stale) == (
        ["a", "b"],
        "personal",
        True,
    )
    shown = run("recommend", "ann", environment=addresses(shop))
    assert shown.stdout.startswith("ann: of the batch als@f00, slate ")
    refused = run("why", "ann", environment=addresses(shop))
    assert refused.returncode == 2
    assert "the default slate of ann is of the batch als@f00, trained 2023-11-14T22:14:20" in refused.stderr
    assert "no engine made it" in refused.stderr
