"""Scenarios with rules: caps, diversity, pins, hides, promotions, chance, what is left out and what fills up."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from stream_rec.engine.answering.at_request import AtRequest
from stream_rec.engine.answering.explain import explain
from stream_rec.engine.engine import Engine
from stream_rec.engine.fold.pool import EXPLORED, FALLBACK, HAD_BEFORE, PINNED, PROMOTED, RANKED
from stream_rec.engine.results import FilterMove, Ranked
from stream_rec.engine.steering import shared_lists
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import (
    LOGICS,
    Boost,
    Cap,
    Diversity,
    Exploration,
    Hide,
    Pin,
    Promotion,
    Scenario,
)
from tests.engine.worlds import change, click, decide, engine

N = 30


@pytest.fixture
def shop() -> Engine:
    """Items of three owners and two tags, the lower ones more popular, and users who have had some."""
    e = engine(catalogue="off", train_sample=0.0)
    change(e, *[Item(f"i{n}", owner=f"o{n % 3}", tags=(f"t{n % 2}",), price=float(n)) for n in range(N)])
    rng = np.random.default_rng(3)
    click(e, *[(f"u{rng.integers(6)}", f"i{int(rng.random() ** 2 * N)}", 10.0 * at) for at in range(400)])
    return e


def ask(e: Engine, scenario: Scenario, user: str = "u1") -> Ranked:
    decide(e, {"s": scenario})
    e.compile_rules()
    return e.recommend([user], scenario="s")


def slate(e: Engine, scenario: Scenario, user: str = "u1") -> list[str]:
    return ask(e, scenario, user).items[0]


def owner(item: str) -> int:
    return int(item[1:]) % 3


def test_rules_that_ask_nothing_change_nothing(shop: Engine) -> None:
    decide(shop, {"s": Scenario(k=10)})
    plain = shop.recommend(["u1", "u2", "unknown"], scenario="s")
    decide(shop, {"s": Scenario(k=10, filter="true")})
    shop.compile_rules()
    ruled = shop.recommend(["u1", "u2", "unknown"], scenario="s")
    assert ruled.items[2] == plain.items[2]
    for mine, theirs in zip(ruled.items, plain.items, strict=True):
        assert set(mine) == set(theirs)
    assert (ruled.propensities == 1.0).all()


def test_a_list_that_is_made_again_and_again_is_the_list_that_is_made_once(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the rows of the last one and those that are as heavy by now; should one of them be gone, from all."""
    monkeypatch.setattr(shared_lists, "N_LISTED", 8)
    monkeypatch.setattr(shared_lists, "REFRESH_EVENTS", 1)
    ruled, rng = {"s": Scenario(logic="popular", k=8, leave_out_seen="none")}, np.random.default_rng(5)
    decide(shop, ruled)
    shop.compile_rules()
    looked: list[bool] = []
    as_heavy = shared_lists.lists.as_heavy
    monkeypatch.setattr(
        shared_lists.lists, "as_heavy", lambda *given: looked.append(True) or as_heavy(*given)
    )
    for turn in range(60):
        at = 4000.0 + 400.0 * turn  # others grow popular, one after the other
        click(
            shop, *[(f"v{turn}-{n}", f"i{(turn // 2 + int(rng.integers(4))) % N}", at + n) for n in range(20)]
        )
        if turn % 20 == 10:
            change(shop, Item(shop.popular(1).items[0], available=False))
        again = shop.recommend(["unknown"], scenario="s").items[0]
        assert again == shop.popular(8).items, turn
    assert 20 < len(looked) < 60


@pytest.mark.parametrize("window", [0, 2, 5])
def test_a_cap_holds_in_every_window(shop: Engine, window: int) -> None:
    got = slate(shop, Scenario(k=9, caps=(Cap("owner", 2, window),)))
    for first in range(len(got)):
        inside = Counter(owner(item) for item in got[first : first + (window or 9)])
        assert max(inside.values()) <= 2
    assert len(got) == (6 if window == 0 else 9)


def test_a_soft_cap_gives_way_when_nothing_else_is_left(shop: Engine) -> None:
    got = slate(shop, Scenario(k=9, caps=(Cap("owner", 2, kind="soft"),)))
    assert len(got) == 9
    assert max(Counter(map(owner, got[:6])).values()) == 2


def test_a_boost_multiplies_the_odds(shop: Engine) -> None:
    before = dict(
        zip(*(row[0] for row in _items_scores(ask(shop, Scenario(k=30, filter="true")))), strict=True)
    )
    after = dict(
        zip(
            *(
                row[0]
                for row in _items_scores(ask(shop, Scenario(k=30, boosts=(Boost("owner == 'o1'", 3.0),))))
            ),
            strict=True,
        )
    )
    for item in before.keys() & after.keys():
        gain = math.log(3.0) if owner(item) == 1 else 0.0
        assert after[item] - before[item] == pytest.approx(gain, abs=1e-3)


def _items_scores(ranked: Ranked) -> tuple[list[list[str]], list[list[float]]]:
    kept = [
        [(item, score) for item, score, mark in zip(items, scores, marks, strict=False) if mark == RANKED]
        for items, scores, marks in zip(ranked.items, ranked.scores, ranked.marks.tolist(), strict=True)  # type: ignore[union-attr]
    ]
    return [[item for item, _ in row] for row in kept], [[score for _, score in row] for row in kept]


def test_pins_stand_in_their_slots_and_count_for_caps(shop: Engine) -> None:
    pins = (Pin("i29", 1), Pin("i26", 2), Pin("nothing", 3))
    ranked = ask(shop, Scenario(k=8, pins=pins, caps=(Cap("owner", 2, window=4),)))
    got = ranked.items[0]
    assert got[:2] == ["i29", "i26"]
    assert not {2} & {owner(item) for item in got[2:4]}
    assert ranked.marks is not None and ranked.marks[0, :3].tolist() == [PINNED, PINNED, RANKED]


def test_a_pin_that_may_not_be_shown_is_not(shop: Engine) -> None:
    change(shop, "i29")
    assert "i29" not in slate(shop, Scenario(k=8, pins=(Pin("i29", 1),)))
    assert "i28" not in slate(shop, Scenario(k=8, filter="price < 20.0", pins=(Pin("i28", 1),)))


def test_hides_of_slots_hold_there_alone(shop: Engine) -> None:
    first = slate(shop, Scenario(k=8, filter="true"))[0]
    got = slate(shop, Scenario(k=8, hides=(Hide((first,), slots=(1, 2)),)))
    assert got[2] == first
    assert first not in slate(shop, Scenario(k=8, hides=(Hide((first,)),)))


def test_a_promotion_gets_its_share_of_the_places(shop: Engine) -> None:
    ranked = ask(shop, Scenario(k=10, promotions=(Promotion(when="owner == 'o2'", share=0.3),)))
    assert ranked.marks is not None
    promoted = [
        item for item, mark in zip(ranked.items[0], ranked.marks[0].tolist(), strict=True) if mark == PROMOTED
    ]
    assert len(promoted) == 3
    assert {owner(item) for item in promoted} == {2}
    over = ask(
        shop, Scenario(k=10, promotions=(Promotion(when="owner == 'o2'", share=0.3, valid_until=1.0),))
    )
    assert over.marks is not None and PROMOTED not in over.marks


def test_diversity_mixes_what_relevance_alone_does_not(shop: Engine) -> None:
    change(shop, *[Item(f"i{n}", owner="o", tags=("same",) if n < 20 else (f"other{n}",)) for n in range(N)])
    plain = slate(shop, Scenario(k=10, filter="true"), "unknown")
    mixed = slate(shop, Scenario(k=10, diversity=Diversity(0.3)), "unknown")
    assert sum(int(item[1:]) >= 20 for item in mixed) > sum(int(item[1:]) >= 20 for item in plain)
    assert plain[0] == mixed[0]
    assert len(slate(shop, Scenario(k=10, diversity=Diversity(0.3, over="vectors")))) == 10


def test_what_a_filter_leaves_is_filled_up_and_marked(shop: Engine) -> None:
    change(shop, *[Item(f"new{n}", owner="o9", price=500.0 + n) for n in range(6)])
    ranked = ask(shop, Scenario(k=6, filter="price >= 500.0", fallbacks=("popular",)))
    assert set(ranked.items[0]) == {f"new{n}" for n in range(6)}
    assert ranked.marks is not None
    fallback = [
        item for item, mark in zip(ranked.items[0], ranked.marks[0].tolist(), strict=True) if mark == FALLBACK
    ]
    strict = slate(shop, Scenario(k=6, filter="price >= 500.0", strict=True))
    assert set(strict) == set(ranked.items[0]) - set(fallback)


def test_minimum_relevance_is_fewer_rather_than_filler(shop: Engine) -> None:
    ranked = ask(shop, Scenario(k=20, min_relevance=0.5))
    assert 0 < len(ranked.items[0]) < 20
    assert min(ranked.scores[0]) >= max(ranked.scores[0]) + math.log(0.5) - 1e-3


def test_seen_items_return_faded_where_too_few_are_left(shop: Engine) -> None:
    click(shop, *[("fan", f"i{n}", 10_000.0 + n) for n in range(N - 4)])
    once = Scenario(k=8, leave_out_seen="all", fallbacks=())
    assert set(slate(shop, once, "fan")) == {f"i{n}" for n in range(N - 4, N)}
    ranked = ask(shop, Scenario(k=8, leave_out_seen="all", replacement=0.5, fallbacks=()), "fan")
    assert len(ranked.items[0]) == 8
    assert ranked.marks is not None and ranked.marks[0].tolist()[4:] == [HAD_BEFORE] * 4
    assert ranked.relaxed == [True]


def test_what_only_returns_is_not_promoted(shop: Engine) -> None:
    click(shop, *[("fan", f"i{n}", 10_000.0 + n) for n in range(N - 4)])
    promotion = Promotion(items=("i0", "i1"), share=0.5)
    again = Scenario(k=8, leave_out_seen="all", replacement=0.5, promotions=(promotion,), fallbacks=())
    ranked = ask(shop, again, "fan")
    assert ranked.marks is not None and PROMOTED not in ranked.marks[0]
    assert ranked.relaxed == [True]


def test_chance_among_all_reaches_more_than_the_lists_hold_and_says_how_likely() -> None:
    e = engine(catalogue="off", train_sample=0.0, max_items=1024)
    change(e, *[Item(f"i{n}") for n in range(1000)])
    click(e, *[(f"u{n % 6}", f"i{n % 600}", 10.0 * n) for n in range(700)])
    decide(e, {"s": Scenario(k=20, exploration=Exploration(1.0, "all"))})
    e.compile_rules()
    shown: set[str] = set()
    for n_learned in range(1024, 100 * 1024, 1024):
        e.state.counters[0]["n_learned"] = n_learned
        ranked = e.recommend(["u1"], scenario="s")
        shown.update(ranked.items[0])
        assert ranked.marks is not None and ranked.propensities is not None
        drawn = ranked.propensities[ranked.marks == EXPLORED]
        assert drawn == pytest.approx(
            1 / 1000, rel=0.1
        )  # the user has had some, and what stands is not drawn
    assert len(shown) > 700


@pytest.mark.parametrize("among", ["candidates", "new", "all"])
def test_chance_has_its_share_and_says_with_which_probability(shop: Engine, among: str) -> None:
    scenario = Scenario(k=10, exploration=Exploration(0.5, among))  # type: ignore[arg-type]
    decide(shop, {"s": scenario})
    shop.compile_rules()
    users = [f"u{n}" for n in range(6)]
    ranked = shop.recommend(users, scenario="s")
    assert ranked.marks is not None and ranked.propensities is not None
    share = (ranked.marks == EXPLORED).mean()
    assert 0.2 < share < 0.7
    assert ((ranked.propensities > 0.0) & (ranked.propensities <= 1.0)).all()
    assert (ranked.propensities[ranked.marks == EXPLORED] <= 0.5).all()
    again = shop.recommend(users, scenario="s")
    assert again.items == ranked.items


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"caps": (Cap("owner", 1),)},
        {"hides": (Hide(("i1", "i2", "i3"), slots=(1,)),)},
    ],
)
def test_chance_is_as_likely_as_it_says(shop: Engine, rules: dict[str, Any]) -> None:
    """Given the first place, each item's count over many draws is what its propensity foretells."""
    decide(shop, {"s": Scenario(k=1, exploration=Exploration(0.6), **rules)})
    shop.compile_rules()
    shown: Counter[str] = Counter()
    foretold: dict[str, float] = {}
    n = 1500
    for at in range(n):
        shop.state.counters[0]["n_learned"] = 400 + at
        ranked = shop.recommend(["u1"], scenario="s")
        assert ranked.propensities is not None
        item = ranked.items[0][0]
        shown[item] += 1
        foretold[item] = float(ranked.propensities[0, 0])
    assert not rules.get("hides") or not {"i1", "i2", "i3"} & shown.keys()
    for item, times in shown.items():
        p = foretold[item]
        assert abs(times / n - p) < 5.0 * math.sqrt(p * (1.0 - p) / n)
    assert sum(foretold.values()) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    "logic", ["popular", "trending", "new", "recently_viewed", "similar", "bought_together"]
)
def test_every_logic_makes_slates(shop: Engine, logic: str) -> None:
    got = slate(shop, Scenario(logic=logic, k=5, filter="price < 25.0"))
    assert len(got) == 5
    assert all(int(item[1:]) < 25 for item in got)


def test_chance_has_its_share_of_lists(shop: Engine) -> None:
    ranked = ask(shop, Scenario(logic="popular", k=20, exploration=Exploration(0.9)))
    assert ranked.marks is not None and (ranked.marks == EXPLORED).sum() > 8


def test_what_is_bought_together_goes_by_the_basket_alone(shop: Engine) -> None:
    """What the user has had otherwise leads to nothing, but is had."""
    cart = Scenario(logic="bought_together", event_types=("cart",), k=8, leave_out_seen="all", fallbacks=())
    assert slate(shop, cart) == []
    click(shop, ("u1", "i2", 9000.0), event_type="cart")
    click(shop, ("u1", "i1", 9001.0))
    digest, ranked = shop.digest(), ask(shop, cart)
    assert len(ranked.items[0]) > 0 and set(ranked.because[0]) == {"i2"}
    assert not set(ranked.items[0]) & set(shop.had("u1"))
    assert shop.digest() == digest
    assert slate(shop, Scenario(logic="bought_together", fallbacks=())) == []  # nothing was bought
    assert "i1" in ask(shop, Scenario(logic="similar", fallbacks=())).because[0]
    lent = AtRequest(shop)
    decide(shop, {"s": cart})
    shop.compile_rules()
    of_request = lent.session(["i3"], "s", 8)  # whoever names items names the basket
    assert of_request is not None and set(of_request.because[0]) == {"i3"}


def test_lists_are_those_that_everybody_gets(shop: Engine) -> None:
    assert slate(shop, Scenario(logic="popular", k=7), "unknown") == shop.popular(7).items
    click(shop, ("u1", "i7", 9000.0), ("u1", "i3", 9001.0))
    assert slate(shop, Scenario(logic="recently_viewed", k=2))[:2] == ["i3", "i7"]


def test_a_leaderboard_goes_by_its_expression(shop: Engine) -> None:
    got = slate(shop, Scenario(logic="leaderboard", order_by="price * 2.0", filter="price < 20.0", k=4))
    assert got == ["i19", "i18", "i17", "i16"]


def test_items_grow_too_old(shop: Engine) -> None:
    change(shop, Item("fresh", ts=shop.event_time))
    got = slate(shop, Scenario(k=10, item_ttl_seconds=60.0))
    assert got == ["fresh"]


def test_readers_are_told_what_has_grown_too_old_and_it_is_not_ranked(shop: Engine) -> None:
    change(shop, Item("fresh", ts=shop.event_time), Item("dated", available_from=shop.event_time - 100.0))
    assert set(slate(shop, Scenario(k=10, item_ttl_seconds=200.0))) == {"fresh", "dated"}
    assert slate(shop, Scenario(k=10, item_ttl_seconds=60.0)) == ["fresh"]
    shop.take_filter_moves()
    click(shop, ("u1", "i1", shop.event_time + 90.0))
    shop.scenes.masks.reevaluate()
    shop.compile_rules()
    assert FilterMove("s", "fresh", False) in shop.take_filter_moves()
    assert AtRequest(shop).rank(["fresh", "i1"], "u1", (), "s") == []
    (told,) = explain(shop, "u1", ["fresh"], "s")
    assert told.absent == "it is 90 s old, item_ttl_seconds is 60"


def test_an_item_is_new_when_its_window_opens_to_rules_as_well(shop: Engine) -> None:
    now = shop.event_time
    change(shop, Item("soon", available_from=now + 1000.0))
    click(shop, ("u1", "i1", now + 500.0))
    assert "soon" not in slate(shop, Scenario(k=60, filter="age < 100.0"))
    click(shop, *[("u1", "i1", now + 1000.0 + n) for n in range(16)])
    assert "soon" in slate(shop, Scenario(k=60, filter="age < 100.0"))


def test_windows_open_and_close_by_event_time(shop: Engine) -> None:
    now = shop.event_time
    change(shop, Item("soon", available_from=now + 100.0), Item("late", available_until=now + 100.0))
    everything = Scenario(k=60, filter="true")
    assert "soon" not in slate(shop, everything, "unknown") and "late" in slate(shop, everything, "unknown")
    assert "soon" not in shop.new(20).items
    click(shop, ("u1", "i1", now + 200.0))
    assert "late" not in slate(shop, everything, "unknown")
    click(shop, *[("u1", "i1", now + 200.0 + n) for n in range(16)])
    assert "soon" in slate(shop, everything, "unknown") and "late" not in slate(shop, everything, "unknown")
    assert "late" not in shop.recommend(["u2"], scenario="s", k=60).items[0]


def test_an_explanation_names_every_rule_and_adds_up(shop: Engine) -> None:
    scenario = Scenario(
        k=10, filter="price < 25.0", boosts=(Boost("owner == 'o1'", 3.0),), pins=(Pin("i3", 2),)
    )
    ranked = ask(shop, scenario)
    told = explain(shop, "u1", ranked.items[0], "s")
    for each, score in zip(told, ranked.scores[0], strict=True):
        assert each.absent is None
        if each.score is not None:
            assert sum(each.by_source.values()) == pytest.approx(score, abs=1e-3)
        if owner(each.item_id) == 1:
            assert each.by_source.get("boosts", math.log(3.0)) == pytest.approx(math.log(3.0))
            assert "boosts[0]: owner == 'o1': odds x 3" in each.rules
    assert "it stands there by: pin" in told[1].rules


@pytest.mark.parametrize("logic", [*LOGICS, "vectors:content"])
def test_what_a_list_gives_adds_up_too(shop: Engine, logic: str) -> None:
    click(shop, ("u1", "i7", 9000.0), ("u1", "i3", 9001.0), event_type="purchase")
    scenario = Scenario(
        logic=logic,
        k=10,
        order_by="price" if logic == "leaderboard" else "",
        boosts=(Boost("owner == 'o1'", 3.0),),
        fallbacks=("popular", "new"),
    )
    ranked = ask(shop, scenario)
    told = explain(shop, "u1", ranked.items[0], "s")
    assert len(told) == 10
    for each, score in zip(told, ranked.scores[0], strict=True):
        assert each.score == pytest.approx(score, abs=1e-3)
        assert sum(each.by_source.values()) == pytest.approx(score, abs=1e-3)


def test_what_returns_says_what_it_lost(shop: Engine) -> None:
    click(shop, *[("fan", f"i{n}", 10_000.0 + n) for n in range(N - 4)])
    ranked = ask(shop, Scenario(k=8, leave_out_seen="all", replacement=0.5, fallbacks=()), "fan")
    for each, score in zip(explain(shop, "fan", ranked.items[0], "s"), ranked.scores[0], strict=True):
        assert each.score == pytest.approx(score, abs=1e-3)
        assert each.by_source.get("replacement") in (None, pytest.approx(math.log(0.5)))


def test_why_an_item_is_not_there_is_told(shop: Engine) -> None:
    now = shop.event_time
    change(shop, Item("soon", available_from=now + 9.0), Item("late", available_until=now - 9.0), "i2")
    click(shop, ("u1", "i5", now))
    scenario = Scenario(
        k=3, filter="price == null || price < 25.0", leave_out_seen="all", hides=(Hide(("i4",)),)
    )
    ask(shop, scenario)
    wanted = {
        "nothing": "not known",
        "i2": "removed",
        "soon": "opens",
        "late": "closed",
        "i4": "hides:",
        "i28": "filter:",
        "i5": "has had it",
    }
    for each in explain(shop, "u1", list(wanted), "s"):
        assert each.absent is not None and wanted[each.item_id] in each.absent


def test_the_newest_item_is_in_its_list_within_a_second_of_few_events() -> None:
    e = engine(catalogue="off", train_sample=0.0, max_items=2048)
    change(e, *[Item(f"i{n}", ts=float(n)) for n in range(1000)])
    click(e, *[(f"u{n % 6}", f"i{n}", 10.0 * n) for n in range(1000)])
    latest = Scenario(logic="new", k=5)
    assert "fresh" not in slate(e, latest)
    change(e, Item("fresh", ts=1e6))
    click(e, ("u1", "i1", 10_001.0))
    assert slate(e, latest)[0] == "fresh"
