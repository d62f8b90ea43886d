"""Ranking figures against the definitions, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.offline.evaluate.ranks import figures, means


def test_by_hand() -> None:
    got = figures(np.array([1, 3, 0, 12], np.int32), (5, 20))
    assert got["hr@5"] == got["recall@5"] == 0.5
    assert got["hr@20"] == 0.75
    assert got["mrr@5"] == got["map@5"] == pytest.approx((1 + 1 / 3) / 4)
    assert got["ndcg@5"] == pytest.approx((1 + 1 / math.log2(4)) / 4)
    assert got["precision@20"] == pytest.approx(0.75 / 20)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), min_size=2, max_size=2), min_size=1), st.integers(1, 25))
def test_every_judge_has_the_means_over_its_queries(ranks: list[list[int]], k: int) -> None:
    got = means(np.array(ranks, np.int32), k)
    for judge in range(2):
        within = [query[judge] for query in ranks if 0 < query[judge] <= k]
        assert got[judge, 0] == pytest.approx(len(within) / len(ranks))
        assert got[judge, 1] == pytest.approx(sum(1 / rank for rank in within) / len(ranks))
        assert got[judge, 2] == pytest.approx(sum(1 / math.log2(rank + 1) for rank in within) / len(ranks))
