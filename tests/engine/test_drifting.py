"""What carried the signal turns to noise, or everybody's taste changes: the blend follows, and soon.

The engine has its default rates and has learned 40,000 events before, for what is hard is to move a ranker that has
been sure for long. Hit-rates are at 20, prequential: every event is judged before it is learned. Over 1,000 events
their standard error is 0.016 at most: the margin is nearly four of them.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.drifting import (
    Crowd,
    HitRates,
    Law,
    chain,
    engine,
    learn,
    only_learn,
    popular,
    repeats,
    tastes,
)

BEFORE, AFTER = 40_000, 7_000
RECOVERY = 3_000
"""Events after the change from which on the blend has to be level again."""
MARGIN = 0.06

DRIFTS = {
    "transitions turn to noise, popularity tells": (chain(1), popular(2)),
    "popularity turns to noise, transitions tell": (popular(2), chain(1)),
    "transitions turn to noise, sessions repeat": (chain(1), repeats()),
    "sessions repeat no more, transitions tell": (repeats(), chain(1)),
    "everybody's taste changes": (tastes(0), tastes(5)),
}


@pytest.mark.parametrize(("before", "after"), DRIFTS.values(), ids=DRIFTS.keys())
def test_the_blend_is_level_with_the_best_source_3000_events_after_a_change(before: Law, after: Law) -> None:
    crowd, e = Crowd(np.random.default_rng(1)), engine()
    only_learn(e, crowd.act(before, BEFORE))
    rates = HitRates(learn(e, crowd.act(after, AFTER)))
    for at in range(RECOVERY, AFTER, 1000):
        now = (at, at + 1000)
        assert rates.of_blend(*now) > rates.of_best_source(*now) - MARGIN, at
        assert rates.of_popularity(*now) - MARGIN < rates.of_blend(*now), at
