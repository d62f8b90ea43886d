"""Bots fall upon one item with 5,000 clicks in an hour and a half: ordinary users hardly notice.

The same ordinary events, at the same offsets of their own partition, are learned with and without the bots.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from tests.engine.drifting import BATCH, N_ITEMS, Crowd, HitRates, engine, learn, only_learn, shop
from tests.engine.worlds import Row

BEFORE, DURING, AFTER = 20_000, 1_000, 4_000
N_CLICKS = 5_000
PUSHED = "i7"
USERS = [f"u{n}" for n in range(300)]
MARGIN = 0.03


def once(n: int, _rng: np.random.Generator) -> tuple[str, str]:
    """Every bot clicks the item once."""
    return f"bot{n}", PUSHED


def five_times(n: int, _rng: np.random.Generator) -> tuple[str, str]:
    """Every bot clicks the item five times."""
    return f"bot{n // 5}", PUSHED


def camouflaged(n: int, rng: np.random.Generator) -> tuple[str, str]:
    """Every bot clicks some item first, and so makes the pushed one follow all others."""
    return f"bot{n // 2}", PUSHED if n % 2 else f"i{rng.integers(N_ITEMS)}"


Bots = Callable[[int, np.random.Generator], tuple[str, str]]
"""Who clicks what with the n-th click of the burst."""


class Story(NamedTuple):
    """What ordinary users saw from the burst on; `first`: every 500 events, the share of slates led by the item."""

    rates: HitRates
    first: list[float]


def story(bots: Bots | None) -> Story:
    crowd, law, e = Crowd(np.random.default_rng(1)), shop(1), engine()
    only_learn(e, crowd.act(law, BEFORE))
    begin = crowd.now
    ordinary = list(crowd.act(law, DURING))
    attack = burst(bots, begin, crowd.now) if bots else []
    judged = []
    both = heapq.merge(ordinary, attack, key=lambda row: row[2])
    for is_bot, run in itertools.groupby(both, key=lambda row: row[0].startswith("bot")):
        if is_bot:
            only_learn(e, run, partition=1)
        else:
            judged += learn(e, run)
    first = []
    for _ in range(AFTER // BATCH):
        judged += learn(e, crowd.act(law, BATCH))
        first.append(float(np.mean([slate[0] == PUSHED for slate in e.recommend(USERS).items])))
    return Story(HitRates(judged), first)


def burst(bots: Bots, begin: float, end: float) -> list[Row]:
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(begin, end, N_CLICKS)).tolist()
    return [(*bots(n, rng), ts) for n, ts in enumerate(times)]


@pytest.fixture(scope="module")
def in_peace() -> Story:
    return story(None)


@pytest.mark.parametrize(("bots", "led_at_most"), [(once, 0.05), (five_times, 0.05), (camouflaged, 0.3)])
def test_a_burst_on_one_item_does_not_sink_the_others(
    bots: Bots, led_at_most: float, in_peace: Story
) -> None:
    attacked = story(bots)
    for at in range(0, DURING + AFTER, 1000):
        assert attacked.rates.of_blend(at, at + 1000) > in_peace.rates.of_blend(at, at + 1000) - MARGIN, at
    assert max(attacked.first) < 0.5, "not even just after it"
    assert attacked.first[-1] <= led_at_most


def test_without_bots_the_blend_is_far_above_popularity(in_peace: Story) -> None:
    """Else there were nothing to sink."""
    assert in_peace.rates.of_blend(0, DURING) > in_peace.rates.of_popularity(0, DURING) + 0.2
    assert max(in_peace.first) < 0.1
