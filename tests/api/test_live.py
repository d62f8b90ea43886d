"""A live server: it follows the log by itself (no worker runs here) and answers from its engine."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream_rec.api.server import HttpServer
from stream_rec.bus.batch import Columns
from stream_rec.bus.lag import ends
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError
from stream_rec.history.snapshots.facts import ask_facts
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.history.snapshots.writer import SnapshotWriter
from stream_rec.schemas.codec import decode_interactions
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Impression, Interaction, Item
from stream_rec.schemas.scenario import Rotation, Scenario
from stream_rec.sdk.calls import Limits
from stream_rec.sdk.client import HttpClient
from stream_rec.sdk.errors import HttpProblem
from stream_rec.sdk.wire import PageRail, Recommended, Written
from stream_rec.settings import RerankSettings, Settings, SnapshotSettings, StoreSettings
from tests.api.serving import Serve, live, until_ready
from tests.consumers.publishing import clicks, publish_events
from tests.reading import messages
from tests.rerank.models import put, upside_down
from tests.waiting import wait_until


@pytest.fixture
def http(serve: Serve, bus: Settings) -> httpx.Client:
    """A live server over an empty log."""
    return until_ready(serve(live(bus)))


@pytest.fixture
def client(http: httpx.Client) -> Iterator[HttpClient]:
    """A client of the same."""
    with HttpClient(str(http.base_url)) as found:
        yield found


NOW = SystemClock().now() - 1000


def event(user: str, item: str, n: int = 0) -> Interaction:
    return Interaction(user, item, "click", NOW + n)


def shop(client: HttpClient, *, catalogue: bool = True) -> Written:
    """Twelve items with prices 0 to 11, which six users had one after the other; the last event's place."""
    items = [Item(f"i{n}", f"Item {n}", ("odd",) if n % 2 else ("even",), price=float(n)) for n in range(12)]
    if catalogue:
        assert client.put_items(items).refused == 0
        wait_until(
            lambda: len(client.recommendations("stranger", limits=Limits("price >= 0.0")).items) == 12, 120
        )
    done = client.track_many([event(f"u{n % 6}", f"i{n * 5 % 12}", n) for n in range(60)])
    assert done.refused == 0
    places = [Written(each.partition or 0, each.offset or 0) for each in done.results]
    for place in places:
        fresh(client, "stranger", place)
    return places[-1]


def fresh(client: HttpClient, user: str, after: Written) -> Recommended:
    """An answer that knows the event, however slow the machine is."""

    def found() -> Recommended | None:
        answer = client.recommendations(user, after=after, timeout=5)
        return None if answer.stale else answer

    answer = wait_until(found, 120, "the event to be known")
    assert answer is not None
    return answer


def ids(items: Sequence[Any]) -> list[str]:
    return [each.item_id for each in items]


def test_the_click_just_acknowledged_is_in_the_next_answer(client: HttpClient) -> None:
    shop(client)
    for n in range(5):
        done = client.track(event("ann", f"i{n}", 200 + n))
        found = fresh(client, "ann", done)
        assert found.origin == "personal"
        assert found.items[0].item_id != f"i{n}"  # people are there already
    assert found.slate_id is not None
    assert found.slate_id.startswith("live-")


def test_what_does_not_come_in_time_is_marked(client: HttpClient) -> None:
    shop(client)
    done = client.track(event("ann", "i1", 200))
    later = Written(done.partition, done.offset + 1000)
    assert client.recommendations("ann", after=later, timeout=0.05).stale
    assert client.rank(["i1", "i2"], user_id="ann", after=later, timeout=0.05).stale
    assert client.page("ann", [PageRail()], after=later, timeout=0.05)[0].stale
    assert client.similar("i1", after=later, timeout=0.05).stale
    assert client.session(["i1"], after=later, timeout=0.05).stale
    assert not client.similar("i1", after=done, timeout=5).stale
    for nowhere in (Written(9999, 0), Written(done.partition, -1)):
        assert client.recommendations("ann", after=nowhere, timeout=0.05).stale


def test_a_session_is_answered_and_not_learned(client: HttpClient) -> None:
    shop(client)
    before = client.recommendations("stranger")
    found = client.session(["i5", "i10"])
    assert (found.origin, len(found.items)) == ("session", 10)
    assert not {"i5", "i10"} & set(ids(found.items))
    without = client.session(["i5", "i10"], negatives=["i3"])
    assert set(ids(without.items)) < set(ids(found.items)) - {"i3"}
    assert client.recommendations("stranger").items == before.items
    assert client.session(["nobody-knows"]).origin == "popular"


def test_given_items_are_ranked_for_a_user_a_session_and_nobody(client: HttpClient) -> None:
    shop(client, catalogue=False)
    wanted = [f"i{n}" for n in range(12)]
    for given in ({"user_id": "u1"}, {"session": ["i5"]}, {}):
        found = client.rank(["unknown", *wanted], **given).items  # type: ignore[arg-type]
        assert sorted(ids(found[:-1])) == sorted(wanted)
        assert (found[-1].item_id, found[-1].reason.source) == ("unknown", "unknown")
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    client.delete_item("i4")
    wait_until(lambda: "i4" not in ids(client.rank(wanted, user_id="u1").items), 120)


def test_a_requests_filter_exclusions_and_relevance_hold(client: HttpClient) -> None:
    shop(client)
    cheap = Limits(filter="price < 6.0 && 'odd' in tags")
    assert set(ids(client.recommendations("stranger", limits=cheap).items)) == {"i1", "i3", "i5"}
    assert set(ids(client.session(["i1"], limits=cheap).items)) <= {"i3", "i5"}
    assert set(ids(client.rank([f"i{n}" for n in range(12)], limits=cheap).items)) == {"i1", "i3", "i5"}
    assert set(ids(client.similar("i5", limits=cheap))) <= {"i1", "i3"}
    left = Limits(exclude=("i0", "i1"))
    assert not {"i0", "i1"} & set(ids(client.recommendations("stranger", limits=left).items))
    few = client.recommendations("u1", limits=Limits(min_relevance=1.0)).items
    assert len(few) < len(client.recommendations("u1").items)
    # A price that changes counts from its record on.
    client.patch_item("i7", {"price": 1.0})
    wait_until(lambda: "i7" in ids(client.recommendations("stranger", limits=cheap).items), 120)


def test_further_pages_keep_to_the_requests_filter(client: HttpClient) -> None:
    shop(client)
    odd = Limits(filter="'odd' in tags", exclude=("i3",))
    page: Recommended | None = client.recommendations("u1", n=2, paged=True, limits=odd)
    found: list[str] = []
    while page is not None:
        found += ids(page.items)
        page = client.next(page, n=2, limits=odd)
    assert sorted(found) == ["i1", "i11", "i5", "i7", "i9"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("price <", "filter, line 1, column 8"),
        ("price < 10.0 &&\n  nothing(tags)", "filter, line 2, column 3"),
        ("prise < 10.0", "filter, line 1, column 1"),
        ("price", "filter, line 1, column 1"),
    ],
)
def test_a_wrong_filter_is_refused_with_its_place(http: httpx.Client, text: str, where: str) -> None:
    found = http.get("/v1/users/ann/recommendations", params={"filter": text})
    assert (found.status_code, found.json()["where"]) == (422, where)


def test_neighbours_of_several_items_with_a_users_taste(client: HttpClient) -> None:
    shop(client)
    alone = client.similar("i5")
    assert alone
    assert all(each.reason.source == "similar" for each in alone)
    both = client.similar("i5", also=["i10"])
    assert not {"i5", "i10"} & set(ids(both))
    mixed = client.similar("i5", user_id="u1", user_impact=1.0)
    ranked = ids(client.rank(ids(mixed), user_id="u1").items)
    assert ids(mixed) == ranked
    assert ids(client.similar("i5", user_id="u1", user_impact=0.0)) == ids(alone)


def test_an_answer_can_say_what_the_items_are(client: HttpClient) -> None:
    shop(client)
    found = client.recommendations("u1", fields=["title", "price", "owner"])
    assert found.properties is not None
    assert found.properties[found.items[0].item_id].keys() == {"title", "price"}
    (rail,) = client.page("u1", [PageRail(n=3)], fields=["price"])
    for each in (
        client.similar("i5", fields=["price"]),
        client.session(["i5"], fields=["price"]),
        client.rank(["i3", "i5"], user_id="u1", fields=["price"]),
        rail,
    ):
        assert each.items
        assert each.properties == {item: {"price": float(item[1:])} for item in ids(each.items)}


def test_an_answer_can_be_explained(client: HttpClient) -> None:
    shop(client)
    found = client.explain("u1")
    assert found.made is not None
    assert ids(found.why) == ids(found.items)
    for item, why in zip(found.items[1:], found.why[1:], strict=True):
        if why.by_source:
            assert sum(why.by_source.values()) == pytest.approx(item.score, abs=0.01)


def test_a_profile_says_what_the_engine_knows_of_a_user(client: HttpClient) -> None:
    shop(client)
    client.track(event("ann", "i1", 200))
    done = client.track(Interaction("ann", "i3", "purchase", NOW + 201))
    fresh(client, "ann", done)
    found = client.profile("ann", after=done, timeout=5, fields=["price"])
    assert found.history is not None
    assert [(each.item_id, tuple(each.event_types)) for each in found.history.items] == [
        ("i3", ("purchase",)),
        ("i1", ("click",)),
    ]
    assert (found.history.n_events, found.history.last_seen) == (2, NOW + 201)
    assert [(each.tag, each.share) for each in found.history.interests] == [("odd", 1.0)]
    assert found.properties == {"i3": {"price": 3.0}, "i1": {"price": 1.0}}
    assert not found.slates  # no worker runs here
    unknown = client.profile("nobody", after=Written(done.partition, done.offset + 1000), timeout=0.01)
    assert unknown.history is not None
    assert (unknown.history.n_events, unknown.history.last_seen, unknown.stale) == (0, None, True)


def test_scenarios_are_in_force_on_a_live_server_too(client: HttpClient, http: httpx.Client) -> None:
    shop(client)
    assert http.put("/v1/scenarios/odd", json={"filter": "'odd' in tags", "k": 4}).status_code == 200

    def found() -> list[str]:
        answer = http.get("/v1/users/stranger/recommendations", params={"scenario": "odd"})
        return [each["item_id"] for each in answer.json().get("items", ())]

    wait_until(lambda: found() and all(int(item[1:]) % 2 for item in found()), 120)
    near = ids(client.similar("i5"))
    assert ids(client.similar("i5", scenario="odd")) == [item for item in near if int(item[1:]) % 2]
    assert any(int(item[1:]) % 2 == 0 for item in near)
    for url in ("/v1/users/ann/recommendations", "/v1/items/i5/similar"):
        assert http.get(url, params={"scenario": "no"}).status_code == 404
    assert http.post("/v1/rank", json={"items": ["i1"], "scenario": "no"}).status_code == 404
    assert http.put("/v1/scenarios/off", json={"on": False}).status_code == 200
    page = {"user_id": "u1", "rails": [{"scenario": "odd", "n": 3}, {"n": 6}]}
    one, two = http.post("/v1/pages", json=page).json()["rails"]
    first, second = ({each["item_id"] for each in rail["items"]} for rail in (one, two))
    assert not first & second
    assert first
    assert second
    assert http.get("/v1/users/ann/recommendations", params={"scenario": "off"}).status_code == 404


def test_what_is_shown_and_not_clicked_fades(client: HttpClient) -> None:
    shop(client)
    rotation = Rotation(factor=0.01, after=1, recover_seconds=1e6)
    client.apply_scenario("home", Scenario(k=12, rotation=rotation))

    def slate() -> list[str]:
        with suppress(HttpProblem):  # it is not in force yet
            return ids(client.recommendations("u1", "home").items)
        return []

    before = wait_until(slate, 120)
    faded = before[1]  # what was clicked last does not lead, however good it is
    for _ in range(4):
        client.impression(Impression("s", "u1", NOW + 300, (faded,), "home"))
    wait_until(lambda: slate()[-1] == faded, 120)
    assert ids(client.rank(before, user_id="u1", scenario="home").items)[-1] == faded


def test_a_model_of_the_shops_own_orders_slates(serve: Serve, bus: Settings, tmp_path: Path) -> None:
    settings = bus.model_copy(update={"rerank": RerankSettings(url=str(tmp_path))})
    http = until_ready(serve(live(settings)))
    with HttpClient(str(http.base_url)) as client:
        shop(client)
        rerank = put(tmp_path, "m.onnx", upside_down())
        client.apply_scenario("plain", Scenario(k=12, filter="true"))
        client.apply_scenario("turned", Scenario(k=12, rerank=rerank))

        def slate(scenario: str) -> list[str]:
            with suppress(HttpProblem):  # it is not in force yet
                return ids(client.recommendations("stranger", scenario).items)
            return []

        plain = wait_until(lambda: slate("plain"), 120)
        turned = wait_until(lambda: (found := slate("turned"))[:1] not in ([], plain[:1]) and found, 120)
        assert turned
        assert sorted(turned) == sorted(plain)
    counted = re.search(r'live_reranked\{outcome="reranked",tenant=""\} ([0-9.]+)', http.get("/metrics").text)
    assert counted
    assert float(counted[1]) >= 1


def test_it_is_not_ready_before_it_can_answer(serve: Serve, tansu_settings: Settings) -> None:
    http = serve(live(tansu_settings))  # topics are the workers' to create: there are none yet
    assert http.get("/healthz").status_code == 200
    assert http.get("/readyz").status_code == 503
    found = http.get("/v1/users/ann/recommendations")
    assert (found.status_code, found.headers["retry-after"]) == (503, "1")
    ensure_topics(tansu_settings.bus)
    until_ready(http)
    assert http.get("/v1/users/ann/recommendations").json()["origin"] == "none"


def test_several_stand_side_by_side(serve: Serve, bus: Settings, client: HttpClient) -> None:
    """Each learns partitions in an order of its own, so they need not rank alike to the last place."""
    place = shop(client)
    other = until_ready(serve(live(bus)))
    with HttpClient(str(other.base_url)) as its:
        mine = set(ids(fresh(its, "u1", place).items))
        assert mine == set(ids(client.recommendations("u1").items)) == {f"i{n}" for n in range(12)}
        done = its.track(event("ann", "i1", 200))
        assert fresh(client, "ann", done).origin == fresh(its, "ann", done).origin == "personal"


def first_half(bus: Settings) -> Engine:
    """An engine that has learned the older half of every partition of `events`."""
    engine, columns = Engine(bus.engine, bus.measure), defaultdict(Columns)
    for each in messages(bus.bus, "events"):
        columns[each.partition()].add(each.key(), each.value(), each.offset(), each.timestamp()[1])
    for partition, n in ends(bus.bus, "events").items():
        if n:
            log = columns[partition].fetched(TopicPartition("events", partition), 0, 0, n).before(n // 2)
            engine.learn_batch(decode_interactions(log, log.span(), bus.ingest).batch)
    return engine


def test_it_starts_from_a_snapshot_and_writes_none(
    serve: Serve, bus: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = live(bus).model_copy(update={"snapshot": SnapshotSettings(url=str(tmp_path / "snapshots"))})
    store = SnapshotStore(settings.snapshot)
    publish_events(bus.bus, clicks(300, users=10))
    written = SnapshotWriter(store, ask_facts(bus.bus), SystemClock()).write(first_half(bus))
    http = until_ready(serve(settings))
    assert http.get("/v1/users/u1/recommendations").json()["origin"] == "personal"
    assert [each.name for each in store.list()] == [written.name]
    assert "started from a snapshot" in "".join(capsys.readouterr())


def test_it_needs_kafka(redis_url: str) -> None:
    settings = live(Settings(store=StoreSettings(url=redis_url)))
    with pytest.raises(ConfigError, match="no address"):
        asyncio.run(HttpServer(settings).serve())
