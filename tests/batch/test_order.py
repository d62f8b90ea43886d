"""The order of batch slates, and what it is chosen by: without Spark."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from stream_rec.batch.measuring import Asked, first_hit_rates, ranking
from stream_rec.batch.order import (
    ALS_ALONE,
    DEFAULT,
    HALF_LIVES_DAYS,
    MIXES,
    Mix,
    Order,
    best,
    mixed,
    standardised,
    users_at_a_time,
)

TASTES = np.array([[1, 0], [0, 1]], np.float32)
ITEMS = np.array([[5, 0], [4, 0], [0, 5], [0, 4], [1, 1], [0, 0]], np.float32)
"""Who has the first taste wants 0 and 1, who has the second 2 and 3."""


def asked(first: Sequence[int], tastes: Sequence[int], had: Sequence[int] = (), moment: int = 0) -> Asked:
    n = len(first)
    return Asked(
        TASTES[[*tastes]].reshape(-1, 2),
        [np.array(had, np.int64)] * n,
        [np.array([item], np.int64) for item in first],
        np.array(first, np.int64),
        np.full(n, moment, np.int64),
    )


def popular(*moments: Sequence[float]) -> np.ndarray:
    """Of each moment, alike for all half-lives."""
    return standardised(np.tile(np.array(moments, np.float32)[:, None, :], (1, len(HALF_LIVES_DAYS), 1)))


def test_scores_are_in_standard_deviations_and_equal_ones_say_nothing() -> None:
    values = standardised(np.array([[1, 2, 3], [0.1, 0.1, 0.1]], np.float32))
    assert values[0] == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    assert values[1].tolist() == [0, 0, 0]


def test_the_share_moves_the_order_from_popular_items_to_the_users_own() -> None:
    (of_all,) = popular([0, 0, 0, 0, 0, 9])[0, :1]

    def order(share: float) -> list[int]:
        found = Order(Mix(share, 7.0), of_all).scores(TASTES[:1] @ ITEMS.T)
        return np.argsort(-found[0], kind="stable")[:3].tolist()

    assert [order(share) for share in (0.0, 0.5, 0.75, 1.0)] == [[5, 0, 1], [5, 0, 1], [0, 1, 5], [0, 1, 4]]
    assert Order().scores(TASTES[:1] @ ITEMS.T)[0] == pytest.approx(standardised(TASTES[:1] @ ITEMS.T)[0])


def test_of_mixes_that_hit_as_often_the_one_with_more_of_als_is_chosen() -> None:
    assert best({Mix(0.25, 7.0): 0.3, Mix(0.5, 1.0): 0.3, Mix(0.5, 3.0): 0.3, ALS_ALONE: 0.2}) == Mix(
        0.5, 3.0
    )
    assert best(dict.fromkeys(MIXES, 0.0)) == ALS_ALONE
    assert DEFAULT in MIXES


def test_users_are_asked_for_what_they_took_first_and_equal_scores_count_against_the_slate() -> None:
    of_all = popular([0, 0, 0, 0, 0, 9])
    found = first_hit_rates(asked([0, 2, 5, 5], [0, 1, 0, 1]), ITEMS, of_all, k=1)
    assert (found[ALS_ALONE], found[Mix(0.0, 7.0)]) == (0.5, 0.5)
    assert first_hit_rates(asked([1], [0], had=[0]), ITEMS, of_all, k=1)[ALS_ALONE] == 1.0, (
        "0 is not shown again"
    )
    nothing = first_hit_rates(asked([4], [0]), ITEMS, of_all, k=5)
    assert nothing[Mix(0.0, 7.0)] == 0.0, "five items are as popular, and one more so"
    assert first_hit_rates(asked([], []), ITEMS, of_all, k=1) == {}


def test_popularity_is_that_of_the_moment_at_which_the_user_came() -> None:
    of_all = popular([0, 0, 0, 0, 0, 9], [9, 0, 0, 0, 0, 0])
    found = [first_hit_rates(asked([0], [1], moment=at), ITEMS, of_all, k=1)[Mix(0.0, 1.0)] for at in (0, 1)]
    assert found == [0.0, 1.0]


def test_many_users_are_asked_in_blocks_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asked([0, 2, 5, 3, 1], [0, 1, 0, 1, 0])
    of_all = popular([0, 0, 0, 0, 0, 9])
    one, ranked = first_hit_rates(whole, ITEMS, of_all, k=2), ranking(whole, ITEMS, k=2)
    monkeypatch.setattr("stream_rec.batch.order._SCORES", 2 * len(ITEMS))
    assert users_at_a_time(len(ITEMS)) == 2
    assert first_hit_rates(whole, ITEMS, of_all, k=2) == one
    assert ranking(whole, ITEMS, k=2) == ranked
    assert ranked == {
        "hit_rate_at_2": 0.8,
        "recall_at_2": 0.8,
        "coverage_at_2": pytest.approx(4 / 6),
        "ranked_users": 5,
    }
    assert users_at_a_time(100_000_000) == 1


def test_it_says_what_it_is_in_words_and_in_names_of_metrics() -> None:
    assert [mix.in_words for mix in (Mix(0.25, 7.0), Mix(0.0, 1.0), ALS_ALONE)] == [
        "0.25 ALS + 0.75 popularity (half-life 7 d)",
        "1 popularity (half-life 1 d)",
        "1 ALS",
    ]
    assert [mix.name for mix in (Mix(0.25, 7.0), ALS_ALONE)] == ["als_0.25_days_7", "als_1"]
    assert mixed(np.ones((1, 2), np.float32), np.zeros(2, np.float32), 0.25).tolist() == [[0.25, 0.25]]
