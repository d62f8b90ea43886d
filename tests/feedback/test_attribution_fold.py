"""Attribution is a fold over single records, and equal to a slow twin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.feedback.attribution import Attribution
from stream_rec.kernels import attribution_state as columns
from tests.feedback.making import attribution, hashes
from tests.feedback.oracles import Done, SlowAttribution

KINDS = ("click", "view", "purchase", "rating")
SCENARIOS = ("default", "cart", "home")

Record = tuple[str, int, list[int], float, int, str, float]
"""what, user, items, ts, partition (impressions), kind or scenario, value."""


def records(seed: int, n: int, *, users: int, items: int, longest: int, span: float) -> list[Record]:
    rng = np.random.default_rng(seed)
    made: list[Record] = []
    for _ in range(n):
        user, ts = int(rng.integers(users)), float(np.round(rng.uniform(0, span), 1))
        if rng.random() < 0.4:
            shown = rng.permutation(items)[: rng.integers(1, longest + 1)].tolist()
            made.append(("show", user, shown, ts, int(rng.integers(3)), SCENARIOS[rng.integers(3)], 0.0))
        else:
            value = float(rng.integers(-20, 50)) if rng.random() < 0.5 else float("nan")
            made.append(("do", user, [int(rng.integers(items))], ts, 0, KINDS[rng.integers(4)], value))
    return made


def learn(to: Attribution, batch: list[Record]) -> None:
    """One batch: runs of one topic and partition are learned in one call each, as a worker would."""
    for (what, partition), group in itertools.groupby(batch, key=lambda r: (r[0], r[4])):
        run = list(group)
        users = hashes([r[1] for r in run])
        items = hashes([item for r in run for item in r[2]])
        ts = np.array([r[3] for r in run])
        if what == "do":
            to.interact(users, items, ts, [r[5] for r in run], np.array([r[6] for r in run], np.float32))
        else:
            ends = np.cumsum([len(r[2]) for r in run])
            to.expose(
                users,
                items,
                ends,
                ts,
                (ts * 1000).astype(np.int64),
                partition=partition,
                scenarios=[r[5] for r in run],
                variants=[("", "b")[r[1] % 2] for r in run],
                returning=[r[1] % 3 == 0 for r in run],
            )


def bits(of: Attribution) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in of.arrays().items()}


def small() -> Attribution:
    """So small that every ring overflows."""
    return attribution(
        max_open_impressions=16,
        max_open_places=256,
        max_recent_interactions=16,
        max_outcome_cells=16,
        window_seconds=20,
        attribution_window_seconds=30.0,
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.sets(st.integers(0, 150), max_size=20))
def test_learning_a_sequence_in_any_split_leaves_the_same_bits(seed: int, cuts: set[int]) -> None:
    sequence = records(seed, 150, users=8, items=60, longest=40, span=200.0)
    whole, split = small(), small()
    learn(whole, sequence)
    for a, b in itertools.pairwise([0, *sorted(cuts), len(sequence)]):
        learn(split, sequence[a:b])
    assert bits(whole) == bits(split)


def test_one_by_one_is_the_same_too() -> None:
    sequence = records(7, 400, users=8, items=60, longest=40, span=600.0)
    whole, single = small(), small()
    learn(whole, sequence)
    for record in sequence:
        learn(single, [record])
    assert bits(whole) == bits(single)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 50))
def test_it_counts_what_a_slow_twin_counts(seed: int, n: int) -> None:
    sequence = records(seed, n, users=3, items=8, longest=5, span=250.0)
    fast, slow = attribution(window_seconds=50), SlowAttribution(window=100.0)
    codes = attribution().names
    for record in sequence:
        what, user, items, ts, partition, word, value = record
        if what == "show":
            window, code = int(ts * 1000) // 50_000, np.zeros(1, np.int32)
            codes.codes(
                [word], [("", "b")[user % 2]], [user % 3 == 0], np.array([window]), lambda *_: None, code
            )
            slow.expose(user, items, ts, (partition, window, int(code[0])))
            learn(fast, [record])
        else:
            done = Done(user, items[0], ts, value, word == "purchase", word == "view")
            rank = fast.interact(
                hashes([user]), hashes(items), np.array([ts]), [word], np.array([value], np.float32)
            )
            assert rank.tolist() == [slow.interact(done)]
    assert_equal(fast, slow)


def assert_equal(fast: Attribution, slow: SlowAttribution) -> None:
    cells = fast.state.cells
    assert cells.next_number[0] == len(slow.sums)
    for at in range(len(slow.sums)):
        expected = slow.sums[(int(cells.partition[at]), int(cells.window[at]), int(cells.label[at]))]
        for name, column in {
            "impressions": columns.IMPRESSIONS,
            "places": columns.PLACES,
            "clicked_impressions": columns.CLICKED_IMPRESSIONS,
            "clicked_places": columns.CLICKED_PLACES,
            "click_ranks": columns.CLICK_RANKS,
            "conversions": columns.CONVERSIONS,
            "conversion_value": columns.CONVERSION_VALUE,
            "refund_value": columns.REFUND_VALUE,
            "dwell_seconds": columns.DWELL_SECONDS,
            "bits": columns.NOVELTY_BITS,
        }.items():
            assert cells.sums[at, column] == pytest.approx(expected.get(name, 0.0)), name


def test_state_never_grows() -> None:
    a = small()
    size = sum(array.nbytes for array in a.arrays().values())
    for seed in range(20):
        learn(a, records(seed, 300, users=1000, items=60, longest=60, span=10_000.0))
    assert sum(array.nbytes for array in a.arrays().values()) == size
    assert a.stats()["open_impressions"] <= 16


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.sets(st.integers(0, 150), max_size=20))
def test_labels_that_change_hands_do_so_in_any_split(seed: int, cuts: set[int]) -> None:
    """More scenarios than labels, over so long a time that unused ones make room within a batch."""
    rng = np.random.default_rng(seed)
    sequence: list[Record] = []
    for ts in np.cumsum(rng.choice([1.0, 30.0], 150)).tolist():
        sequence.append(("show", int(rng.integers(8)), [1, 2], ts, 0, f"s{rng.integers(40)}", 0.0))
        sequence.append(("do", int(rng.integers(8)), [1], ts, 0, "click", float("nan")))
    whole, split = small(), small()
    learn(whole, [r for r in sequence if r[0] == "show"])
    for a, b in itertools.pairwise([0, *sorted(cuts), 150]):
        learn(split, [r for r in sequence if r[0] == "show"][a:b])
    assert bits(whole) == bits(split)
    for a, b in itertools.pairwise([0, *sorted(cuts), 300]):
        learn(split, sequence[a:b])
        for record in sequence[a:b]:
            learn(whole, [record])
    assert bits(whole) == bits(split)
