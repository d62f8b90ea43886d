"""A leak that is planted in the engine is caught; without one, noise is ranked no better than by chance."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Learned
from stream_rec.offline.evaluate.blind import LeakError
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.rules import Rules
from stream_rec.offline.evaluate.run import Run
from stream_rec.schemas.columns import EventBatch
from tests.offline.evaluate.worlds import SMALL, noise, sessions, silent


class LearnsFirst(Engine):
    """Learns a batch before it judges it."""

    def learn(self, batch: EventBatch, **options: Any) -> Learned:
        super().learn(replace(batch, span=replace(batch.span, partition=99)))
        return super().learn(batch, **options)


class LooksNowAndThen(Engine):
    """Ranks one answer in 50 first, whatever it is."""

    asked = 0

    def learn(self, batch: EventBatch, **options: Any) -> Learned:
        learned = super().learn(batch, **options)
        rank = learned.fresh.rank.copy()
        for i in range(len(rank)):
            self.asked += 1
            if self.asked % 50 == 0:
                rank[i] = 1
        return replace(learned, fresh=replace(learned.fresh, rank=rank))


@pytest.mark.parametrize("protocol", ["frozen", "streaming", "prequential"])
def test_an_engine_that_learns_first_is_caught(protocol: str) -> None:
    plan = Plan.of(sessions(4, 60), Rules(protocol))  # type: ignore[arg-type]
    Run(plan, Engine(SMALL), 10, silent).run()
    with pytest.raises(LeakError, match="sees answers"):
        Run(plan, LearnsFirst(SMALL), 10, silent).run()


def test_an_engine_that_looks_now_and_then_is_caught() -> None:
    plan = Plan.of(noise(2, 400), Rules("prequential"))
    with pytest.raises(LeakError):
        Run(plan, LooksNowAndThen(SMALL), 10, silent).run()


@cache
def ranks_of_noise() -> NDArray[np.int32]:
    return Run(Plan.of(noise(3, 1500), Rules("prequential")), Engine(SMALL), 20, silent).run().ranks


@pytest.mark.parametrize("k", [1, 20])
def test_noise_is_ranked_by_chance(k: int) -> None:
    ranks = ranks_of_noise()
    n, p = len(ranks), k / 100
    limit = n * p + 5 * math.sqrt(n * p * (1 - p))
    for judge in range(ranks.shape[1]):
        assert ((ranks[:, judge] > 0) & (ranks[:, judge] <= k)).sum() <= limit
