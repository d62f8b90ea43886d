"""What users have had before their histories: an exact set, in a pool with a bound."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.kernels import past
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.reference import refer

GENERATION = np.ones(4096, np.uint8)
ANY = 0xFFFF
VIEWED, BOUGHT = 1 << 1, 1 << 2


def code(row: int) -> int:
    return row | 1 << 24


def empty(users: int) -> past.PastState:
    """As kernels get it from an engine: by reference."""
    held: past.PastState = refer(past.empty(Bounds(users=users)))
    return held


def had(own: past.PastState, user: int, types: int = ANY) -> set[int]:
    marks = np.zeros(len(GENERATION), np.bool_)
    past.mark(own, GENERATION, user, types, marks, True)
    found = set(np.flatnonzero(marks).tolist())
    past.mark(own, GENERATION, user, types, marks, False)
    assert not marks.any()
    return found


@pytest.mark.parametrize("seed", range(5))
def test_it_is_a_set_for_each_user(seed: int) -> None:
    own, rng = empty(256), np.random.default_rng(seed)
    oracle: dict[int, set[int]] = {user: set() for user in range(8)}
    for _ in range(900):
        user, row = int(rng.integers(8)), int(rng.integers(100))
        if rng.random() < 0.01:
            past.clear(own, user)
            oracle[user] = set()
        past.add(own, user, code(row), 1, 0)
        oracle[user].add(row)
        assert past.types_of(own, user, code(row)) == 1
    assert {user: had(own, user) for user in oracle} == oracle
    assert own.counters["n_forgotten"][0] == 0


def test_what_stands_in_a_row_now_is_not_what_was_had() -> None:
    own = empty(16)
    past.add(own, 3, 7 | 2 << 24, 1, 0)
    assert had(own, 3) == set()


def test_a_full_pool_forgets_what_was_had_longest_ago_and_never_anything_else() -> None:
    own = empty(16)
    n_pages = len(own.pages)
    assert own.pages.nbytes + own.types.nbytes <= max(16 * past.BYTES_PER_USER, 4 * past.PAGE_BYTES)
    for row in range(300):
        past.add(own, 1, code(row), 1, 0)
    kept = had(own, 1)
    assert kept == set(range(300 - len(kept), 300))
    assert len(kept) > (n_pages - 1) * past.PAGE_ITEMS
    assert own.counters["n_forgotten"][0] == 300 - len(kept)
    past.add(own, 2, code(5), 1, 0)
    assert had(own, 2) == {5}
    past.clear(own, 1)
    past.clear(own, 2)
    assert had(own, 1) == set() and own.heads.max() == 0
    assert not own.pages[:, past.FIRST :].any()


def in_order(own: past.PastState, user: int) -> list[int]:
    """Newest first."""
    found: list[int] = []
    page = int(own.heads[user]) - 1
    while page >= 0:
        codes = own.pages[page, past.FIRST : past.FIRST + own.pages[page, past.COUNT]]
        found += (codes[::-1] & 0xFFFFFF).tolist()
        page = int(own.pages[page, past.OLDER]) - 1
    return found


def test_it_tells_by_which_types_of_events_an_item_was_had() -> None:
    own = empty(64)
    past.add(own, 1, code(5), VIEWED, BOUGHT)
    past.add(own, 1, code(6), BOUGHT, BOUGHT)
    past.add(own, 1, code(6), VIEWED, BOUGHT)
    assert (had(own, 1, VIEWED), had(own, 1, BOUGHT), had(own, 1, 1)) == ({5, 6}, {6}, set())
    assert past.types_of(own, 1, code(6)) == VIEWED | BOUGHT
    assert past.types_of(own, 2, code(6)) == 0


@pytest.mark.parametrize("seed", range(3))
def test_what_is_bought_again_is_the_newest_and_no_page_is_lost(seed: int) -> None:
    own, rng, order = empty(256), np.random.default_rng(seed), list[int]()
    for _ in range(600):
        row, kind = int(rng.integers(60)), int(rng.choice([VIEWED, BOUGHT]))
        was_bought = bool(past.types_of(own, 1, code(row)) & BOUGHT)
        past.add(own, 1, code(row), kind, BOUGHT)
        if row not in order:
            order.insert(0, row)
        elif kind == BOUGHT:
            order.remove(row)
            order.insert(0, row)
        assert bool(past.types_of(own, 1, code(row)) & BOUGHT) == (was_bought or kind == BOUGHT)
        assert in_order(own, 1) == order
    past.clear(own, 1)
    counters, n_free, page = own.counters[0], 0, int(own.counters[0]["free"])
    while page:
        n_free, page = n_free + 1, int(own.pages[page - 1, past.OLDER])
    assert n_free == counters["n_pages"]
    assert not own.types.any()


@pytest.mark.parametrize("is_older", [True, False])
def test_of_two_who_are_one_the_older_past_stands_behind(is_older: bool) -> None:
    own = empty(256)
    for row in range(30):
        past.add(own, 1, code(row), VIEWED, 0)
    for row in range(100, 120):
        past.add(own, 2, code(row), BOUGHT, 0)
    past.join(own, 1, 2, is_older)
    mine, others = [*range(119, 99, -1)], [*range(29, -1, -1)]
    assert in_order(own, 2) == (mine + others if is_older else others + mine)
    assert in_order(own, 1) == []
    past.join(own, 1, 2, is_older)
    past.join(own, 2, 3, is_older)
    assert had(own, 3, VIEWED) == set(others)
    past.clear(own, 3)
    assert not own.heads.any()
