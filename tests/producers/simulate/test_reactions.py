"""What shoppers make of slates: position, taste and fatigue, and how likely a click is."""

from __future__ import annotations

import random

import pytest

from stream_rec.producers.simulate.reactions import (
    CLICK,
    LOOK_ON,
    RECOVERS_SECONDS,
    TIRES,
    Fatigue,
    Look,
    Reactions,
    left,
)
from stream_rec.producers.simulate.shop import Shop, ShopPlan, Taste

SHOP = Shop(ShopPlan(n_users=1000, n_items=400, seed=3))
LIKED = SHOP.shelves[2][:3]
OTHER = SHOP.shelves[3][:3]
TASTES = [Taste(2, SHOP.style(LIKED[0]), 1.0)]


def look(*items: int, ts: float = 0.0, user: int = 1) -> Look:
    return Look(user, ts, TASTES, items)


@pytest.fixture
def reactions() -> Reactions:
    return Reactions(SHOP, random.Random(1))


def test_an_item_counts_less_the_lower_it_stands(reactions: Reactions) -> None:
    assert reactions.probability(look(LIKED[0])) == pytest.approx(CLICK)
    assert reactions.probability(look(OTHER[0], OTHER[1], LIKED[0])) == pytest.approx(LOOK_ON**2 * CLICK)
    assert reactions.probability(look(*OTHER)) == 0.0
    assert reactions.click(look(*OTHER)) is None


def test_of_two_that_are_liked_the_second_is_clicked_when_the_first_is_not(reactions: Reactions) -> None:
    both = reactions.probability(look(LIKED[0], LIKED[0]))
    assert both == pytest.approx(CLICK + (1 - CLICK) * LOOK_ON * CLICK)


def test_clicks_come_as_often_as_is_said() -> None:
    chance, clicks = random.Random(5), 0
    slate = look(OTHER[0], LIKED[0], OTHER[1], LIKED[1])
    said = Reactions(SHOP, chance).probability(slate)
    for _ in range(4000):
        clicks += Reactions(SHOP, chance).click(slate) is not None
    assert clicks / 4000 == pytest.approx(said, abs=0.03)


def test_what_is_seen_again_and_again_is_liked_less_and_again_after_a_while(reactions: Reactions) -> None:
    slate = look(LIKED[0])
    n_clicks = sum(reactions.click(slate) is not None for _ in range(3))
    tired = TIRES ** (3 + n_clicks)
    assert reactions.probability(slate) == pytest.approx(CLICK * tired)
    assert reactions.probability(look(LIKED[0], user=2)) == pytest.approx(CLICK)
    later = reactions.probability(look(LIKED[0], ts=RECOVERS_SECONDS))
    assert later == pytest.approx(CLICK * TIRES ** ((3 + n_clicks) / 2))


def test_no_slate_is_better_than_the_best(reactions: Reactions) -> None:
    slates = [random.Random(seed).sample(range(400), 5) for seed in range(200)]
    best = reactions.best_probability(look(*OTHER, *LIKED[:2]))
    assert best >= max(reactions.probability(look(*slate)) for slate in slates)
    assert reactions.best_probability(look(OTHER[0])) == pytest.approx(CLICK)


def test_what_is_remembered_has_a_bound() -> None:
    fatigue = Fatigue(max_users=3, max_items=4)
    for user in range(10):
        for item in range(10):
            fatigue.see(user, item, 0.0, 1.0)
    assert [user for user in range(10) if fatigue.of(user)] == [7, 8, 9]
    assert sorted(fatigue.of(9)) == [6, 7, 8, 9]
    assert left(fatigue.of(9).get(9), 0.0) == 1.0
    assert left(None, 0.0) == 0.0
