"""Where each event's item stood in what its user was last served."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.feedback.served import UNKNOWN, Served
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from tests.feedback.making import hashes


def slates(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint64)


def test_the_rank_is_the_place_in_the_last_written_slate() -> None:
    served = Served(users=64, k=3)
    served.put(hashes([1, 2]), slates([10, 11, 12], [20, 21, 22]))
    served.put(hashes([1]), slates([12, 13, 14]))
    assert served.ranks(hashes([1, 1, 2]), hashes([12, 10, 22])).tolist() == [1, 0, 3]


def test_hashes_of_real_ids_keep_all_their_bits() -> None:
    served = Served(users=64, k=3)
    users, items = hash_ids(IdColumn.of(["ann", "bob"])), hash_ids(IdColumn.of(["milk", "bread"]))
    served.put(users, items[:, None])
    assert served.ranks(users, items).tolist() == [1, 1]


def test_a_user_who_was_never_seen_is_unknown_and_not_a_miss() -> None:
    served = Served(users=64, k=3)
    assert served.ranks(hashes([1]), hashes([10])).tolist() == [UNKNOWN]


def test_slates_are_cut_and_padded_to_k_places() -> None:
    served = Served(users=64, k=3)
    served.put(hashes([1]), slates([10, 11, 12, 13]))
    served.put(hashes([2]), slates([10, 11]))
    assert served.ranks(hashes([1, 2, 2]), hashes([13, 11, 12])).tolist() == [0, 2, 0]


def test_what_was_found_in_redis_fills_a_gap_but_never_replaces_a_newer_slate() -> None:
    served = Served(users=64, k=3)
    served.put(hashes([1]), slates([10]))
    served.fill(hashes([1, 2]), slates([20], [20]))
    assert served.ranks(hashes([1, 2]), hashes([10, 20])).tolist() == [1, 1]


def test_a_user_known_to_have_no_slate_is_served_the_popular_list() -> None:
    served = Served(users=64, k=3)
    served.set_popular(hashes([30, 31, 32, 33]))
    served.fill(hashes([1]), slates([0, 0, 0]))
    assert served.ranks(hashes([1, 1]), hashes([31, 33])).tolist() == [2, 0]


def test_popular_ranks_are_unknown_until_there_is_a_popular_list() -> None:
    served = Served(users=64, k=3)
    assert served.popular_ranks(hashes([30])).tolist() == [UNKNOWN]
    served.set_popular(hashes([30, 31]))
    assert served.popular_ranks(hashes([31, 32])).tolist() == [2, 0]


def test_a_full_cache_forgets_the_oldest_slates_and_counts_them() -> None:
    served = Served(users=16, k=1)
    users = hashes(list(range(1, 1001)))
    served.put(users, users[:, None])
    ranks = served.ranks(users, users)
    assert (ranks != UNKNOWN).sum() == 16
    assert served.evictions == 1000 - 16
    assert ranks[-1] == 1, "the newest is there"
    assert set(ranks.tolist()) == {1, UNKNOWN}, "a wrong user's slate is never used"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.lists(st.integers(1, 9), max_size=5, unique=True)), max_size=60)
)
def test_it_answers_as_a_dict_would_while_there_is_room(writes: list[tuple[int, list[int]]]) -> None:
    served, twin = Served(users=1024, k=4), dict[int, list[int]]()
    for user, items in writes:
        padded = np.zeros((1, 5), np.uint64)
        padded[0, : len(items)] = items
        served.put(hashes([user]), padded)
        twin[user] = items[:4]
    for user in range(1, 21):
        for item in range(1, 10):
            slate = twin.get(user)
            expected = UNKNOWN if slate is None else slate.index(item) + 1 if item in slate else 0
            assert served.ranks(hashes([user]), hashes([item])).tolist() == [expected]
