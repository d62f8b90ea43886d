"""What users have had before their histories: an exact set, in a pool with a bound."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.kernels import past
from stream_rec.kernels.bounds import Bounds

GENERATION = np.ones(4096, np.uint8)


def code(row: int) -> int:
    return row | 1 << 24


def had(own: past.PastState, user: int) -> set[int]:
    marks = np.zeros(len(GENERATION), np.bool_)
    past.mark(own, GENERATION, user, marks, True)
    found = set(np.flatnonzero(marks).tolist())
    past.mark(own, GENERATION, user, marks, False)
    assert not marks.any()
    return found


@pytest.mark.parametrize("seed", range(5))
def test_it_is_a_set_for_each_user(seed: int) -> None:
    own, rng = past.empty(Bounds(users=256)), np.random.default_rng(seed)
    oracle: dict[int, set[int]] = {user: set() for user in range(8)}
    for _ in range(900):
        user, row = int(rng.integers(8)), int(rng.integers(100))
        if rng.random() < 0.01:
            past.clear(own, user)
            oracle[user] = set()
        past.add(own, user, code(row))
        oracle[user].add(row)
        assert past.holds(own, user, code(row))
    assert {user: had(own, user) for user in oracle} == oracle
    assert own.counters["n_forgotten"][0] == 0


def test_what_stands_in_a_row_now_is_not_what_was_had() -> None:
    own = past.empty(Bounds(users=16))
    past.add(own, 3, 7 | 2 << 24)
    assert had(own, 3) == set()


def test_a_full_pool_forgets_what_was_had_longest_ago_and_never_anything_else() -> None:
    own = past.empty(Bounds(users=16))
    n_pages = len(own.pages)
    assert own.pages.nbytes <= max(16 * past.BYTES_PER_USER, 4 * 4 * past.PAGE)
    for row in range(300):
        past.add(own, 1, code(row))
    kept = had(own, 1)
    assert kept == set(range(300 - len(kept), 300))
    assert len(kept) > (n_pages - 1) * past.PAGE_ITEMS
    assert own.counters["n_forgotten"][0] == 300 - len(kept)
    past.add(own, 2, code(5))
    assert had(own, 2) == {5}
    past.clear(own, 1)
    past.clear(own, 2)
    assert had(own, 1) == set() and own.heads.max() == 0
    assert not own.pages[:, past.FIRST :].any()
