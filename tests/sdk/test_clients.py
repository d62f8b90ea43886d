"""The clients over HTTP against a real server: one suite for those with and without asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from stream_rec import AsyncHttpClient, HttpClient, Impression, Interaction, Item
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.records import Vector
from stream_rec.schemas.scenario import Scenario
from stream_rec.sdk.errors import HttpProblem
from stream_rec.sdk.options import HttpOptions
from stream_rec.sdk.wire import PageRail, Written
from stream_rec.settings import Settings
from tests.api.serving import served
from tests.api.test_access import make
from tests.reading import records
from tests.store.building import Stores, as_of, slate, with_stores
from tests.store.test_lists import Row


class InLoop:
    """An AsyncHttpClient, called as an HttpClient is."""

    def __init__(self, url: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._made(url, options))

    @staticmethod
    async def _made(url: str, options: dict[str, Any]) -> AsyncHttpClient:
        return AsyncHttpClient(url, **options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **options: self._runner.run(method(*args, **options))

    def __enter__(self) -> InLoop:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


@pytest.fixture(params=[HttpClient, InLoop], ids=["blocking", "asyncio"])
def client(request: pytest.FixtureRequest, bus: Settings) -> Iterator[HttpClient]:
    """Of a server with a slate for ann."""

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(5), ["a", "b", "c"])])
        await my.lists.write_tops({"popular": Row(["p"])}, as_of=as_of(5), model="m")
        await my.lists.write_similar({"a": Row(["b"])}, as_of=as_of(5), model="m")

    with_stores(bus.store, story)
    with served(bus) as url, request.param(url) as opened:
        yield opened


def click(**fields: Any) -> Interaction:
    return Interaction(**{"user_id": "ann", "item_id": "a", "event_type": "view", "ts": 1.7e9, **fields})


def ids(items: Any) -> list[str]:
    return [each.item_id for each in items]


def test_an_event_gets_an_id_and_its_place_can_be_waited_for(client: HttpClient, bus: Settings) -> None:
    done = client.track(click())
    (record,) = records(bus.bus, "events", Interaction)
    assert record.event_id
    assert client.recommendations("ann", after=done, timeout=0.01).stale


def test_many_events_are_sent_in_parts_and_each_has_its_result(client: HttpClient, bus: Settings) -> None:
    told = client.track_many([click(item_id=str(i) if i != 7 else "") for i in range(1200)])
    assert (told.accepted, told.refused) == (1199, 1)
    assert told.results[7].reason == "empty_id"
    assert len(records(bus.bus, "events", Interaction)) == 1199


def test_reads(client: HttpClient) -> None:
    assert ids(client.recommendations("ann", n=2).items) == ["a", "b"]
    assert client.explain("ann").made is not None
    assert ids(client.similar("a")) == ["b"]
    assert ids(client.popular()) == ["p"]
    assert client.popular(after=Written(0, 99), timeout=0.01).stale
    known = client.profile("ann")
    assert [(each.scenario, each.n_items) for each in known.slates] == [("default", 3)]
    assert ids(client.trending()) == ids(client.new()) == []
    assert ids(client.session(["a"]).items) == ["b"]
    first, second = client.page("ann", [PageRail(n=1), PageRail(n=2)])
    assert (ids(first.items), ids(second.items)) == (["a"], ["b", "c"])


def test_pages_follow_each_other_to_the_end(client: HttpClient) -> None:
    page = client.recommendations("ann", n=2, paged=True)
    seen = []
    while page is not None:
        seen.append(ids(page.items))
        page = client.next(page, n=2)
    assert seen == [["a", "b"], ["c", "p"]]


def test_the_catalogue_impressions_and_decisions(client: HttpClient, bus: Settings) -> None:
    client.put_item(Item("a/b", title="x"))
    client.patch_item("a/b", {"price": 2.0})
    client.delete_item("a/b")
    assert client.put_items([Item("c"), Item("d")]).accepted == 2
    assert client.delete_items(["c", "d"]).accepted == 2
    assert client.put_vectors([Vector("text", "a", (0.5, 1.0)), Vector("text", "b", (0.0,))]).refused == 1
    assert client.delete_vectors("text", ["a"]).accepted == 1
    client.impression(Impression("s", "ann", 1.7e9, ("a",)))
    client.merge("v-1", into="ann")
    assert client.apply_scenario("home", Scenario(k=5)).offset == 1
    assert client.scenarios()["home"].scenario == Scenario(k=5)
    assert client.scenario("home").scenario == Scenario(k=5)
    assert client.delete_scenario("home").offset == 2
    with pytest.raises(HttpProblem) as refused:
        client.scenario("home")
    assert refused.value.kind == "not-found"
    assert client.forget("bob", dry_run=True).offset == -1
    assert client.lag().total > 0
    shown = [Impression("s", "ann", 1.7e9, ("a",)), Impression("", "ann", 1.7e9, ())]
    assert [each.status for each in client.impressions(shown).results] == [202, 422]
    assert len(records(bus.bus, "impressions", Impression)) == 2


def test_experiments_are_decided_and_read(client: HttpClient) -> None:
    arms = (Arm("control"), Arm("blue", scenario={"k": 5}))
    assert client.apply_experiment("front", Experiment(arms), note="why not").offset == 0
    assert client.ramp_experiment("front").share == 0.01
    assert client.start_experiment("front").state == "running"
    assert client.stop_experiment("front", pause=True).state == "paused"
    assert client.ship_experiment("front", "blue", note="it sells").offset == 4
    told = client.experiment("front")
    assert (told.experiment.arms, told.note, told.counted) == (arms, "it sells", None)
    assert [each.note for each in told.history][:2] == ["why not", "over HTTP"]
    assert client.experiments()["front"].experiment.winner == "blue"
    with pytest.raises(HttpProblem) as refused:
        client.stop_experiment("front")
    assert refused.value.kind == "conflict"
    with pytest.raises(HttpProblem, match="live"):
        client.recommendations("ann", variant="blue")


KINDS = (HttpClient, InLoop)


def test_a_server_makes_tokens_for_the_visitors_of_a_browser_key(bus: Settings) -> None:
    fresh = bus.model_copy(update={"serve": bus.serve.model_copy(update={"key_seconds": 0.0})})
    browser, of_page = make(bus, "browser", name="page")
    _, of_shop = make(bus, "publish", name="shop")
    with served(fresh) as url:
        for kind in KINDS:
            with kind(url, key=of_shop) as shop, kind(url, key=of_page) as page:
                assert shop.visitor("ann", key_id=browser.key_id).user_id == "ann"
                assert page.visitor().user_id.startswith("v-")
                with pytest.raises(HttpProblem) as refused:
                    page.visitor("ann")
                assert refused.value.kind == "forbidden"


def test_a_read_that_waits_is_not_cut_off(bus: Settings) -> None:
    """The client's own limit counts beside what the server is asked to wait: alone it would be over before."""
    with served(bus) as url:
        for kind in KINDS:
            with kind(url, options=HttpOptions(timeout_seconds=1.5)) as hasty:
                assert hasty.recommendations("ann", after=Written(0, 99), timeout=2.0).stale


def test_a_refusal_names_the_place_and_the_fix(client: HttpClient) -> None:
    with pytest.raises(HttpProblem, match="query n") as refused:
        client.recommendations("ann", n=0)
    assert refused.value.kind == "refused"
    with pytest.raises(HttpProblem, match="live") as refused:
        client.rank(["a"])
    assert refused.value.kind == "needs-live"
