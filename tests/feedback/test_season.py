"""What is normal at this hour of the week: nights are none of the falls, and a night at noon is one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.feedback.drift import LevelTest, Moved
from stream_rec.feedback.season import HOURS, MS_PER_HOUR, Season

PER_HOUR = 1_000
NIGHT, DAY = 0.2, 0.3
"""From 0 to 8 o'clock, and from then on."""


def rates(hours: int) -> NDArray[np.float64]:
    """Of each hour; weekends are quieter."""
    of_day = np.where(np.arange(24) < 8, NIGHT, DAY)
    week = np.concatenate([of_day] * 5 + [of_day - 0.03] * 2)
    return np.resize(week, hours)


def moves(rate: NDArray[np.float64], run_length: int = 1, seed: int = 3) -> list[tuple[int, Moved]]:
    """The hour in which each change was found; hits come in runs of equal ones."""
    rng, test, found = np.random.default_rng(seed), LevelTest(0.002), []
    for hour, each in enumerate(rate.tolist()):
        draws = np.repeat(rng.random(PER_HOUR // run_length), run_length)
        hits = (draws < each).astype(np.float64)
        found.extend((hour, moved) for moved in test.update(hits, hour * MS_PER_HOUR))
    return found


@pytest.mark.parametrize("run_length", [1, 20])
def test_days_and_nights_of_six_weeks_are_no_change_but_for_the_first_night(run_length: int) -> None:
    assert len(moves(rates(6 * HOURS), run_length)) <= 1


def test_a_night_at_noon_is_found_and_what_would_have_been_normal_is_said() -> None:
    rate = rates(4 * HOURS)
    noon = 3 * HOURS + 2 * 24 + 12
    rate[noon:] = NIGHT
    before = [hour for hour, _ in moves(rate[:noon])]
    hour, moved = moves(rate)[len(before)]
    assert noon <= hour <= noon + 4
    assert moved.normal == pytest.approx(DAY, abs=0.02)
    assert moved.level == pytest.approx(NIGHT, abs=0.02)
    assert 0 < moved.n_hits <= (hour - noon + 2) * PER_HOUR


def test_an_hour_is_expected_to_be_as_it_was_in_earlier_weeks_and_not_as_it_is() -> None:
    season, week = Season(), HOURS * MS_PER_HOUR
    assert season.expected(0) is None
    for block in (0.2, 0.4):
        season.learn(block, 60_000)
    assert season.expected(0) is None, "the hour is still running"
    season.learn(0.9, MS_PER_HOUR)
    season.learn(0.9, 0)  # late: it counts for the hour that is running
    assert season.expected(week) == pytest.approx(0.3)
    season.learn(0.7, week)
    assert season.expected(week) == pytest.approx(0.3)
    season.learn(0.7, week + MS_PER_HOUR)
    assert season.expected(2 * week) == pytest.approx(0.5)
