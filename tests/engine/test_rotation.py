"""What was shown and not clicked fades, and recovers; a click, another user and another scenario know nothing of it."""

from __future__ import annotations

import pytest

from stream_rec.engine.answering.explain import explain
from stream_rec.engine.engine import Engine
from stream_rec.schemas.scenario import Rotation, Scenario
from tests.engine.worlds import click, decide, engine, show

HOUR = 3600.0
ROTATING = Scenario(k=5, rotation=Rotation(factor=0.01, after=1, recover_seconds=HOUR))


@pytest.fixture
def shop() -> Engine:
    e = engine(catalogue="off", train_sample=1.0)
    click(e, *[(f"u{n % 7}", f"i{(n * n) % 13}", 1e6 + n) for n in range(200)])
    decide(e, {"home": ROTATING, "popular": Scenario(logic="popular", k=5, rotation=ROTATING.rotation)})
    return e


def slate(e: Engine, user: str = "u1", scenario: str = "home") -> list[str]:
    return e.recommend([user], scenario=scenario).items[0]


@pytest.mark.parametrize("scenario", ["home", "popular"])
def test_it_fades_and_recovers(shop: Engine, scenario: str) -> None:
    before, now = slate(shop, scenario=scenario), shop.event_time
    show(shop, "u1", [before[2]], now)
    assert slate(shop, scenario=scenario) == before  # the first costs nothing
    show(shop, "u1", [before[2]], now, times=3)
    faded = slate(shop, scenario=scenario)
    assert before[2] not in faded[:3]
    assert [item for item in faded if item != before[2]][:4] == [item for item in before if item != before[2]]
    assert slate(shop, "u2") == slate(shop, "u2", "home")
    click(shop, ("somebody", "else", now + 20 * HOUR))
    assert before[2] in slate(shop, scenario=scenario)


def test_only_the_user_who_was_shown_it_sees_less_of_it(shop: Engine) -> None:
    of_other = slate(shop, "u2")
    show(shop, "u1", of_other, shop.event_time, times=5)
    assert slate(shop, "u2") == of_other


def test_a_click_takes_the_impressions_before_it_back(shop: Engine) -> None:
    first, now = slate(shop)[1], shop.event_time
    show(shop, "u1", [first], now + 1, times=6)
    faded = explain(shop, "u1", [first], "home")[0].by_source
    assert faded["rotation"] < -1.0
    click(shop, ("u1", first, now + 2))
    assert "rotation" not in explain(shop, "u1", [first], "home")[0].by_source


def test_what_fades_is_told_and_the_parts_add_up(shop: Engine) -> None:
    show(shop, "u1", slate(shop), shop.event_time, times=4)
    for each in explain(shop, "u1", slate(shop), "home"):
        assert each.score == pytest.approx(sum(each.by_source.values()))
