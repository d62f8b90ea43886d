"""Popularity equals a recount of all events, and its lists of the heaviest are exact at every moment."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.kernels import normalise
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.kernels.reference import refer
from stream_rec.sources import popularity
from stream_rec.sources.popularity import PopularityState
from tests.contract.sources import SourceContract
from tests.oracles import candidates as oracle
from tests.oracles.popularity import Event, decayed_count, heaviest, rank
from tests.sources.making import batch, clicks

N_ITEMS, N_TOP = 9, 4
HOUR, DAY = 3600.0, 86_400.0
NONE = np.zeros(N_ITEMS, np.bool_)

Operation = tuple[str, int, float]
"""What, row, seconds since the last event (below 0: it comes late)."""


def operations(seed: int, n: int) -> list[Operation]:
    rng = np.random.default_rng(seed)
    what = rng.choice(["event", "remove", "restore", "clear"], n, p=[0.8, 0.08, 0.08, 0.04])
    pauses = rng.choice(
        [0.0, 1.0, HOUR, -HOUR, DAY, 3 * DAY, -DAY], n, p=[0.2, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05]
    )
    return list(zip(what.tolist(), rng.integers(N_ITEMS, size=n).tolist(), pauses.tolist(), strict=True))


def empty() -> PopularityState:
    made = popularity.empty(Bounds(items=N_ITEMS, longest_slate=1))
    held: PopularityState = refer(made._replace(top=np.full((3, N_TOP), -1, np.int32)))
    return held


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 200), st.sampled_from([0.0, 1.7e9]))
def test_it_equals_a_recount_at_every_moment(seed: int, n_steps: int, start: float) -> None:
    s = empty()
    events: list[Event] = []
    damped: list[Event] = []
    eligible = [True] * N_ITEMS
    now = ts = start
    for n, (what, row, pause) in enumerate(operations(seed, n_steps)):
        if what == "event":
            ts = max(0.0, ts + pause)
            now = max(now, ts)
            weight = 1.0 + n % 3
            repeats = float(n % 5)
            popularity.observe(s, row, ts, np.float32(weight), repeats)
            events.append((row, ts, weight))
            damped.append((row, ts, weight / 2**repeats))
        elif what == "clear":
            popularity.clear(s, row)
            events, damped = ([e for e in kept if e[0] != row] for kept in (events, damped))
            eligible[row] = True
        else:
            popularity.set_eligible(s, row, what == "restore")
            eligible[row] = what == "restore"
        assert s.eligible.tolist() == eligible
        assert_lists_are_exact(s)
    assert_are_those_of_a_recount(s.scores, s, events, now)
    assert_are_those_of_a_recount(s.reach, s, damped, now)


def assert_lists_are_exact(s: PopularityState) -> None:
    for p in range(3):
        scores, eligible = s.scores[p].tolist(), s.eligible.tolist()
        assert np.exp(s.logs[:, p]) == pytest.approx(s.scores[p], rel=1e-3, abs=1e-30)
        held = s.top[p][s.top[p] >= 0].tolist()
        assert sorted(held) == np.flatnonzero(s.listed[p]).tolist()
        assert all(eligible[row] for row in held)
        kept = sorted((scores[row] for row in held if scores[row] > 0), reverse=True)
        assert kept == heaviest(scores, eligible, N_TOP)
        for row in range(N_ITEMS):
            if scores[row] > 0 and scores.count(scores[row]) == 1:
                assert popularity.rank_of_row(s, p, row, NONE) == rank(scores, eligible, N_TOP, row)


def assert_are_those_of_a_recount(
    scores: np.ndarray, s: PopularityState, events: list[Event], now: float
) -> None:
    for p in range(len(scores)):
        rate, landmark = float(s.rates[p]), float(s.landmarks[p])
        for row in range(N_ITEMS):
            expected = decayed_count(events, row, rate, now)
            if expected > 1e-200:
                got = scores[p, row] * math.exp(-rate * (now - landmark))
                assert got == pytest.approx(expected, rel=1e-6), (p, row)


def test_order_of_events_does_not_matter_but_for_rounding() -> None:
    rng = np.random.default_rng(1)
    events = [(int(rng.integers(N_ITEMS)), float(rng.uniform(0, 4 * DAY))) for _ in range(300)]
    sums = []
    for order in (events, sorted(events, key=lambda e: e[1])):
        s = empty()
        for row, ts in order:
            popularity.observe(s, row, ts, np.float32(1), 0.0)
        sums.append(s.scores * np.exp(-s.rates * (4 * DAY - s.landmarks))[:, None])
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-9)


def test_ties_count_against_an_item() -> None:
    s = empty()
    for row in (0, 1, 2):
        popularity.observe(s, row, 10.0, np.float32(1), 0.0)
    popularity.observe(s, 1, 10.0, np.float32(1), 0.0)
    assert [popularity.rank_of_row(s, 1, row, NONE) for row in range(4)] == [3, 1, 3, 0]


def test_items_that_are_left_out_do_not_count() -> None:
    s = empty()
    for row in (0, 1, 2, 0, 1, 0):
        popularity.observe(s, row, 10.0, np.float32(1), 0.0)
    without_the_first = np.arange(N_ITEMS) == 0
    assert [popularity.rank_of_row(s, 1, row, without_the_first) for row in (1, 2)] == [1, 2]


def test_a_jump_of_a_century_leaves_finite_numbers_and_the_latest_event_on_top() -> None:
    s = empty()
    for n in range(50):
        popularity.observe(s, n % 3, float(n), np.float32(1), 0.0)
    popularity.observe(s, 8, 100 * 365 * DAY, np.float32(1), 0.0)
    assert np.isfinite(s.scores).all()
    assert [popularity.rank_of_row(s, p, 8, NONE) for p in range(3)] == [1, 1, 1]
    assert_lists_are_exact(s)


class TestPopularity(SourceContract):
    name = "popularity"

    def assert_equals_twin(self, seed: int) -> None:
        """The heaviest of a recount of all events are proposed, and stand by their logarithms."""
        stream = clicks(seed, 300, users=10, items=30)
        e = self.alone()
        e.learn(batch(stream))
        query = self.asked(e, -1)
        n = int(query.n_candidates[0])
        items = list(dict.fromkeys(c.item for c in stream))
        assert sorted(items[int(c) & ROW_MASK] for c in query.codes[:n]) == sorted(items)
        events = [(c.item, c.ts, 1.0) for c in stream]
        for h, half_life in enumerate(popularity.HALF_LIVES):
            rate = math.log(2) / half_life
            rows = [items[int(c) & ROW_MASK] for c in query.codes[:n]]
            logs = np.log([decayed_count(events, row, rate, e.event_time) for row in rows])
            got = query.features[popularity.POPULAR_SHORT + h, :n]
            np.testing.assert_allclose(got, oracle.popularity(logs, normalise.LOG_SPAN), atol=1e-3)
