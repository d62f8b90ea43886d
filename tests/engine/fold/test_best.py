"""The best of many are those that a stable sort puts first."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.fold.best import keep, keeps, sort_kept


@pytest.mark.parametrize("seed", range(20))
def test_the_best_are_kept_in_order_and_the_earlier_of_equal_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = np.round(rng.normal(size=rng.integers(0, 60)), 1).astype(np.float32)
    size = int(rng.integers(1, 20))
    numbers, kept, n = np.zeros(size, np.int32), np.zeros(size, np.float32), 0
    for number, key in enumerate(keys):
        if keeps(kept, n, key):
            n = keep(numbers, kept, n, number, key)
    sort_kept(numbers, kept, n)
    assert numbers[:n].tolist() == np.argsort(-keys, kind="stable")[:size].tolist()
