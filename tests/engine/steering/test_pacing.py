"""Promotions with a limit: their places are given until their items were shown often enough, in step with the time."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.decisions import MARGIN_MS
from stream_rec.engine.steering.preview import preview
from stream_rec.schemas.columns import IdColumn, ImpressionBatch, Span
from stream_rec.schemas.scenario import Boost
from tests.engine.deciding import decide, decision, scenario
from tests.engine.worlds import SMALL_MEASURE, click, engine

T = 1_000_000.0
PROMOTION = {"items": ["i9"], "share": 0.2, "impressions": 10, "pacing": "fast"}


@pytest.fixture
def shop() -> Engine:
    e = engine(catalogue="off")
    click(e, *[(f"u{n % 7}", f"i{n % 3}", T + n) for n in range(100)], ("u", "i9", T + 100))
    decide(e, scenario("home", k=5, promotions=[PROMOTION])._replace(broker_ts=int(T * 1000)))
    e.compile_rules()
    return e


def show(
    e: Engine, times: int, *, item: str = "i9", name: str = "home", ms: int = int(T * 1000) + MARGIN_MS + 1
) -> None:
    start = e.position.get(("impressions", 0), 0)
    e.learn_impressions(
        ImpressionBatch(
            span=Span("impressions", 0, 0, start, start + times),
            offsets=np.arange(start, start + times),
            broker_ts=np.full(times, ms),
            ts=np.full(times, ms / 1000),
            users=IdColumn.of(["u1"] * times),
            slate_ids=IdColumn.of(["s"] * times),
            scenarios=[name] * times,
            variants=[""] * times,
            experiments=[""] * times,
            teams=[()] * times,
            items=IdColumn.of([item, "other"] * times),
            item_ends=np.arange(1, times + 1) * 2,
            propensities=np.full(2 * times, np.nan, np.float32),
        )
    )


def is_promoted(e: Engine) -> bool:
    ranked = e.recommend(["u1"], scenario="home")
    return any(place.by == "promotion" for place in ranked.places(0))


def test_the_places_are_given_until_the_items_were_shown_so_often(shop: Engine) -> None:
    assert is_promoted(shop)
    show(shop, 9)
    assert is_promoted(shop)
    show(shop, 1)
    assert not is_promoted(shop)


def test_only_what_was_shown_there_and_since_then_counts(shop: Engine) -> None:
    show(shop, 20, item="i1")
    show(shop, 20, name="elsewhere")
    show(shop, 20, ms=int(T * 1000) + MARGIN_MS)
    assert is_promoted(shop)


def test_a_promotion_that_stays_as_it_is_keeps_its_count_and_another_begins_anew(shop: Engine) -> None:
    show(shop, 10)
    decide(shop, scenario("home", k=4, promotions=[PROMOTION]))
    shop.compile_rules()
    assert not is_promoted(shop)
    decide(shop, scenario("home", k=4, promotions=[PROMOTION | {"impressions": 11}]))
    shop.compile_rules()
    assert is_promoted(shop)


def test_evenly_means_in_step_with_the_time(shop: Engine) -> None:
    even = PROMOTION | {"pacing": "even", "from": T, "until": T + 1000.0}
    decide(shop, scenario("home", k=5, promotions=[even])._replace(broker_ts=int(T * 1000)))
    shop.compile_rules()
    show(shop, 2)
    assert not is_promoted(shop)  # a tenth of the time is over
    click(shop, ("u1", "i1", T + 500.0))
    assert is_promoted(shop)


def test_counts_are_part_of_the_state(shop: Engine) -> None:
    show(shop, 10)
    other = Engine(shop.settings, SMALL_MEASURE)
    other.restore({name: array.copy() for name, array in shop.snapshot().items()}, shop.position)
    assert other.digest() == shop.digest()
    other.compile_rules()
    assert not is_promoted(other)


@pytest.mark.parametrize("promotion", [PROMOTION, {**PROMOTION, "share": 0.4}])
def test_arms_of_an_experiment_share_the_count_of_the_scenario(
    shop: Engine, promotion: dict[str, object]
) -> None:
    """Whether an arm has the scenario's promotion, or one of its own."""
    arms = [{"name": "control"}, {"name": "long", "scenario": {"k": 8, "promotions": [promotion]}}]
    said = {"arms": arms, "scenarios": ["home"], "state": "running", "started": 1.0}
    decide(shop, decision("experiment", "longer", said, T))
    shop.compile_rules()
    in_arm = [shop.in_arm(["u1"], "home", 8, arm=arm) for arm in ("control", "long")]
    assert all(any(place.by == "promotion" for place in each.places(0)) for each in in_arm)
    show(shop, 10)
    in_arm = [shop.in_arm(["u1"], "home", 8, arm=arm) for arm in ("control", "long")]
    assert not any(place.by == "promotion" for each in in_arm for place in each.places(0))


def test_a_preview_without_a_rule_goes_by_what_was_shown_of_its_promotions(shop: Engine) -> None:
    show(shop, 10)
    wanted = msgspec.structs.replace(shop.decisions.scenarios["home"], boosts=(Boost("price > 100.0", 2.0),))
    (found,) = preview(shop, "u1", {"home": wanted})
    assert [each.moved for each in found.effects if each.rule == "boosts[0]"] == [[]]
