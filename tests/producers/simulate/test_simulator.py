"""Shoppers whose tastes are known: seeded, in order of time, drifting as told, and reacting to what they are shown."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.rows import LOG_SCHEMA, good_rows
from stream_rec.producers.feed.feed import Progress
from stream_rec.producers.feed.pace import FullSpeed
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.simulate.shop import Shop, ShopPlan
from stream_rec.producers.simulate.simulator import Shoppers, ending_at, simulate, simulated_log
from stream_rec.schemas.records import Impression, Interaction, Reason, SlateItem
from stream_rec.schemas.shown import ShownSlate
from stream_rec.schemas.topics import Ack
from stream_rec.settings import Settings
from tests.reading import messages

PLAN = ShopPlan(n_users=2000, n_items=500, seed=7)


def events(n: int, plan: ShopPlan = PLAN) -> list[Interaction]:
    return list(islice(Shoppers(plan).events(), n))


def number(name: str) -> int:
    return int(name[1:])


def test_the_same_seed_gives_the_same_events_and_another_gives_others() -> None:
    assert events(500) == events(500)
    assert events(500) != events(500, ShopPlan(n_users=2000, n_items=500, seed=8))


def test_time_never_goes_back_and_goes_on_at_the_plans_rate() -> None:
    ts = [event.ts for event in events(20_000)]
    assert ts == sorted(ts)
    assert 0.8 * 1000 < ts[-1] - PLAN.start_ts < 1.2 * 1000


def test_a_session_is_one_shoppers_and_a_shopper_is_in_one_session_at_a_time() -> None:
    users = defaultdict(set)
    latest: dict[str, str] = {}
    seen: dict[str, set[str]] = defaultdict(set)
    for event in events(5000):
        assert event.session_id is not None
        users[event.session_id].add(event.user_id)
        if latest.get(event.user_id) != event.session_id:
            assert event.session_id not in seen[event.user_id]
        latest[event.user_id] = event.session_id
        seen[event.user_id].add(event.session_id)
    assert {len(who) for who in users.values()} == {1}
    assert max(map(len, seen.values())) > 3


def test_a_cart_follows_a_view_and_a_purchase_a_cart_of_the_same_item() -> None:
    before: dict[str, Interaction] = {}
    kinds = set()
    for event in events(20_000):
        last = before.get(event.session_id or "")
        if event.event_type != "view":
            assert last is not None
            assert (last.event_type, last.item_id) == (
                {"cart": "view", "purchase": "cart"}[event.event_type],
                event.item_id,
            )
        assert (event.value is not None) == (event.event_type == "purchase")
        before[event.session_id or ""] = event
        kinds.add(event.event_type)
    assert kinds == {"view", "cart", "purchase"}


def test_shoppers_look_at_what_they_like() -> None:
    """A shopper's three tastes hold an eighth of the catalogue, and nearly all of what they look at."""
    shop = Shop(PLAN)
    liked = [shop.affinity(number(e.user_id), number(e.item_id), e.ts) > 0 for e in events(5000)]
    assert sum(liked) / len(liked) > 0.95


def test_without_drift_tastes_stay_and_with_drift_they_change() -> None:
    later = PLAN.start_ts + 30 * 86_400
    still, drifting = Shop(PLAN), Shop(ShopPlan(n_users=2000, n_items=500, seed=7, drift_per_day=0.1))
    stayed = [still.tastes(user, PLAN.start_ts) == still.tastes(user, later) for user in range(2000)]
    changed = sum(
        a != b
        for user in range(2000)
        for a, b in zip(drifting.tastes(user, PLAN.start_ts), drifting.tastes(user, later), strict=True)
    )
    assert all(stayed)
    assert 2.5 < changed / 2000 <= 3.0  # 0.1 a day for 30 days, but a swap may bring the same taste again


def test_a_shoppers_weights_add_up_and_affinity_is_bounded() -> None:
    shop = Shop(PLAN)
    for user in range(50):
        assert sum(taste.weight for taste in shop.tastes(user, 0.0)) == pytest.approx(1.0)
        assert all(0 <= shop.affinity(user, item, 0.0) <= 1 + 1e-9 for item in range(100))


def test_every_item_has_a_title_and_tags() -> None:
    shop = Shop(PLAN)
    catalogue = shop.catalogue()
    assert len({item.title for item in catalogue}) == 500
    assert all(len(item.tags) == 3 for item in catalogue)
    assert catalogue[5] == shop.item(5)


def slate(*items: str, **fields: Any) -> ShownSlate:
    return ShownSlate(
        [SlateItem(item, 1.0, Reason("popularity")) for item in items], **{"slate_id": "s", **fields}
    )


def test_at_a_shift_everybodys_tastes_become_others_and_then_stay() -> None:
    shop = Shop(replace(PLAN, shifts=(100.0, 5000.0)))
    at = [
        [shop.tastes(user, PLAN.start_ts + ts) for user in range(500)] for ts in (99.9, 100.0, 4999.0, 5000.0)
    ]
    same = [sum(a == b for a, b in zip(before, after, strict=True)) for before, after in pairwise(at)]
    assert same[1] == 500
    assert max(same[0], same[2]) < 10
    assert at[0] == [Shop(PLAN).tastes(user, PLAN.start_ts) for user in range(500)]


def test_shoppers_click_what_they_like_of_what_they_are_shown() -> None:
    """Shown 20 items far back on their shelves, they click them more often than others find them."""
    shown = [f"i{item}" for item in range(400, 420)]
    shoppers = Shoppers(PLAN, lambda _: slate(*shown))
    reacting = [
        event for event in islice(shoppers.events(), 5000) if event.slate_id and event.event_type == "view"
    ]
    browsing = [event for event in events(5000) if event.item_id in shown]
    top = sum(event.item_id in shown[:10] for event in reacting)

    assert {event.item_id for event in reacting} <= {*shown}
    assert len(reacting) > len(browsing)
    assert top > len(reacting) - top
    affinities = [shoppers.shop.affinity(number(e.user_id), number(e.item_id), e.ts) for e in reacting]
    assert min(affinities) > 0


def test_each_slate_that_is_looked_at_is_an_impression_before_the_event_and_clicks_name_it() -> None:
    shown = slate("i1", "i2", "i3", slate_id="", variant="b", experiment="x")
    done = list(islice(Shoppers(PLAN, lambda _: shown).happenings(), 2000))
    impressions = [each for each in done if isinstance(each, Impression)]
    assert len({each.slate_id for each in impressions}) == len(impressions) > 300
    assert {(each.items, each.variant, each.experiment) for each in impressions} == {
        (("i1", "i2", "i3"), "b", "x")
    }
    for before, each in pairwise(done):
        if isinstance(before, Impression):
            assert isinstance(each, Interaction)
            assert (each.user_id, each.ts) == (before.user_id, before.ts)
            assert each.slate_id in (None, before.slate_id)
    of_slates = {each.slate_id for each in done if isinstance(each, Interaction)} - {None}
    assert of_slates <= {each.slate_id for each in impressions}
    assert of_slates


def test_who_is_bored_leaves_and_who_is_not_stays() -> None:
    """Slates of nothing that anybody knows end sessions, as often as the plan says."""
    lengths = []
    for boredom in (0.0, 1.0):
        plan = replace(PLAN, attention=1.0, boredom=boredom)
        sessions = Counter(e.session_id for e in islice(Shoppers(plan, lambda _: slate("?")).events(), 3000))
        lengths.append(len(sessions))
    assert lengths[1] > 2 * lengths[0]


@pytest.mark.parametrize("nothing", [None, slate(), slate("who knows")])
def test_nothing_shown_or_something_unknown_shown_is_no_error(nothing: ShownSlate | None) -> None:
    assert len(list(islice(Shoppers(PLAN, lambda _: nothing).events(), 100))) == 100


@pytest.mark.parametrize("n_items", [1, 5])
def test_a_tiny_shop_is_a_shop(n_items: int) -> None:
    assert len(events(300, ShopPlan(n_users=3, n_items=n_items, events_per_second=0.05))) == 300


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_items": 0},
        {"events_per_second": 101.0},
        {"events_per_second": 0.0},
        {"attention": 1.5},
        {"boredom": -0.1},
        {"shifts": (2.0, 1.0)},
        {"session_length": 0.5},
    ],
)
def test_a_shop_that_cannot_be_is_an_error(wrong: dict[str, Any]) -> None:
    named = {101.0: "cannot make 101 events a second"}.get(next(iter(wrong.values())), next(iter(wrong)))
    with pytest.raises(ConfigError, match=named):
        ShopPlan(**wrong)


def test_a_log_in_memory_has_the_one_form() -> None:
    log = simulated_log(PLAN, 1000)
    assert dict(log.schema) == LOG_SCHEMA
    assert good_rows(log).equals(log)
    assert log["item_id"].to_list() == [event.item_id for event in events(1000)]


def test_the_catalogue_and_the_events_go_onto_the_bus(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    ensure_topics(bus)
    acks: list[tuple[Interaction, Ack]] = []
    reports: list[Progress] = []
    now = 1_750_000_000.0
    with Publisher(bus) as publisher:
        done = simulate(
            publisher,
            ending_at(PLAN, now, 2000),
            n_events=2000,
            pace=FullSpeed(),
            on_progress=reports.append,
            on_ack=lambda event, ack: acks.append((event, ack)),
        )

    assert (done.n_acknowledged, done.n_bad, done.fraction, len(acks)) == (2000, 0, 1.0, 2000)
    assert all(event.ts <= now for event, _ in acks)
    assert len(messages(bus, "items")) == 500
    assert len(messages(bus, "events")) == 2000
    assert reports[-1].n_acknowledged == 2000


def test_slates_that_were_looked_at_go_onto_the_bus_beside_the_events(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    ensure_topics(bus)
    plan = replace(ending_at(PLAN, 1_750_000_000.0, 300), n_items=50)
    with Publisher(bus) as publisher:
        done = simulate(
            publisher, plan, n_events=300, pace=FullSpeed(), recommend=lambda _: slate("i1", "i2")
        )
    assert done.n_acknowledged == len(messages(bus, "events")) == 300
    assert done.beside["impressions"] == len(messages(bus, "impressions")) > 50


def test_it_goes_on_until_it_is_told_to_stop(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    left = iter(range(100))
    with Publisher(tansu_settings.bus) as publisher:
        done = simulate(publisher, PLAN, pace=FullSpeed(), stop=lambda: next(left, None) is None)
    assert done.stopped
    assert done.n_acknowledged == 100
