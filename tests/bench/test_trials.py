"""`bench trials` on a few experiments: the world is as planted, and the figures are there."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.bench import trials_world as world
from stream_rec.bench.trials import Plan, run
from stream_rec.settings import Settings


@pytest.mark.parametrize("lift", [0.0, 0.1, -0.1])
def test_the_planted_difference_is_the_one_in_clicks_by_slate(lift: float) -> None:
    plain, changed = (world.up_to(world.attractions(each))[-1] for each in (0.0, lift))
    assert changed == pytest.approx((1 + lift) * plain)


def test_slates_come_from_users_who_return() -> None:
    found = world.slates(8000, np.random.default_rng(1))
    assert len(found.users) == len(found.luck) == 8000
    assert 5 < 8000 / len(np.unique(found.users)) < 11
    assert (np.diff(found.users) < 0).any()


def test_a_draft_has_five_of_each_team_and_prefers_nobody_where_both_are_alike() -> None:
    drafts = world.mixed(0.0)
    assert drafts.up_to.shape == (32, world.K)
    assert (drafts.is_b.sum(axis=1) == 5).all()
    chances = np.diff(drafts.up_to, axis=1, prepend=0.0)
    assert (chances * drafts.is_b).sum() == pytest.approx((chances * ~drafts.is_b).sum())


def test_what_is_better_is_found_and_what_is_worse_is_rolled_back() -> None:
    plan = Plan(experiments=10, impressions=4000, runs=2, lift=0.3, most_users=4000)
    figures = run(Settings(), lambda _: None, plan)
    assert figures["found_share"] == figures["rolled_back_share"] == 1.0
    assert figures["found_share_interleaved"] == figures["rolled_back_share_interleaved"] == 1.0
    assert figures["users_interleaved"] < figures["users_ab"] < 4000
    assert figures["false_ship_share"] <= 0.1
