"""Team-draft interleaving: fair teams, and preferences by users."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stream_rec.trials.interleaving import A, B, Preferences, preference, team_draft, verdict
from stream_rec.trials.sequences import two_sided

rankings = st.lists(st.integers(0, 30), max_size=20)


@given(rankings, rankings, st.integers(1, 12), st.lists(st.booleans(), min_size=6, max_size=6))
@settings(deadline=None)
def test_a_slate_holds_each_item_once_and_as_many_of_both_teams(
    a: list[int], b: list[int], k: int, coins: list[bool]
) -> None:
    items, teams = team_draft(a, b, k, coins)
    assert len(items) == len(teams) <= k
    assert len(set(items)) == len(items)
    assert all(item in (a, b)[team] for item, team in zip(items, teams, strict=True))
    if len(set(a) | set(b)) >= 2 * k and min(len(set(a)), len(set(b))) >= 2 * k:
        assert abs(teams.count(A) - teams.count(B)) <= k % 2
        assert len(items) == k


def test_whoever_wins_the_coin_picks_first() -> None:
    assert team_draft([1, 2, 3], [1, 3, 4], 4, [True, False]) == ([1, 3, 4, 2], [A, B, B, A])
    assert team_draft([1, 2, 3], [1, 3, 4], 4, [False, True]) == ([1, 2, 3, 4], [B, A, A, B])


def test_an_arm_that_has_run_out_gives_its_places_to_nobody_it_does_not_know() -> None:
    assert team_draft([1], [1, 2, 3], 3, [True, True, True]) == ([1, 2, 3], [A, B, B])


def test_users_prefer_by_their_clicks_and_the_silent_do_not_count() -> None:
    found = Preferences.of_credits(np.array([2.0, 0, 1, 0, 3]), np.array([1.0, 1, 1, 0, 0]))
    assert found == Preferences(for_a=2, for_b=1, ties=1)
    assert preference(found).value == pytest.approx(-0.25)


def test_the_variance_is_that_of_the_signs() -> None:
    signs = np.array([-1.0] * 30 + [1.0] * 50 + [0.0] * 20)
    at = preference(Preferences(30, 50, 20))
    assert (at.value, at.variance) == pytest.approx((signs.mean(), signs.var(ddof=1) / 100))
    test = stats.ttest_1samp(signs, 0.0)
    assert at.value / at.standard_error == pytest.approx(test.statistic)


def test_a_verdict_keeps_its_level_and_finds_a_preference() -> None:
    chance = np.random.default_rng(11)
    fooled, found = 0, 0
    for for_b in [0.5] * 150 + [0.56] * 40:
        signs = np.cumsum(chance.random(6000) < for_b)
        looks = range(100, 6001, 50)
        said = [verdict(Preferences(n - int(signs[n - 1]), int(signs[n - 1]), 0)).p_value for n in looks]
        fooled, found = (
            fooled + (for_b == 0.5 and min(said) <= 0.05),
            found + (for_b > 0.5 and min(said) <= 0.05),
        )
    assert fooled / 150 <= 0.05
    assert found >= 38


def test_nobody_has_said_anything() -> None:
    assert verdict(Preferences(0, 0, 0)) == (0.0, two_sided(preference(Preferences(0, 0, 0)), 0.05), 1.0)
