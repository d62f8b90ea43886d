"""Item neighbours, learned event by event, equal a recount of all histories exactly."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.engine.state import create
from stream_rec.kernels import candidates
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.kernels.reference import refer
from stream_rec.sources import item_neighbours, neighbours
from stream_rec.sources.item_neighbours import COSINE, HOP, N_VOTING, RATES
from stream_rec.sources.neighbours import AFTER
from tests.contract.sources import SourceContract
from tests.engine.holding import parts
from tests.oracles.item_neighbours import recount, scores
from tests.sources.making import batch, clicks, code, engine

N_ITEMS = 12

streams = st.lists(st.tuples(st.integers(0, 5), st.integers(0, N_ITEMS - 1)), max_size=120)


@settings(max_examples=60, deadline=None)
@given(streams)
def test_counts_equal_a_batch_recount_exactly(stream: list[tuple[int, int]]) -> None:
    s = refer(item_neighbours.empty(Bounds(items=N_ITEMS)))
    generation = np.ones(N_ITEMS, np.uint8)
    histories: dict[int, list[int]] = defaultdict(list)
    for user, item in stream:
        past = np.array([code(i) for i in reversed(dict.fromkeys(histories[user]))] + [0], np.int32)
        item_neighbours.observe(s, past, len(past) - 1, np.int32(code(item)), generation)
        histories[user].append(item)
    pairs, degree = recount(list(histories.values()))
    got = {
        (row, int(held & ROW_MASK)): int(s.counts[row, at])
        for row in range(N_ITEMS)
        for at, held in enumerate(s.codes[row])
        if held != NO_CODE
    }
    assert got == pairs
    assert s.degree.tolist() == [degree[item] for item in range(N_ITEMS)]


def test_a_stale_item_in_the_history_is_not_counted() -> None:
    s = refer(item_neighbours.empty(Bounds(items=3)))
    generation = np.array([1, 2, 1], np.uint8)
    past = np.array([code(1), code(0)], np.int32)
    item_neighbours.observe(s, past, 2, np.int32(code(2)), generation)
    assert s.codes[2, :2].tolist() == [code(0), NO_CODE]
    assert s.codes[1, 0] == NO_CODE


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=60))
def test_the_candidates_with_the_most_votes_hand_them_on(votes: list[int]) -> None:
    e = engine()
    query = create.query(e.settings)
    query.n_candidates[0] = len(votes)
    query.features[AFTER, : len(votes)] = votes
    _, held, _ = parts(e, query)
    n, own = item_neighbours._choose_voting(held, held.item_neighbours), query.item_neighbours
    assert own.votes[:n].tolist() == sorted(v for v in votes if v)[-N_VOTING:]
    assert [votes[c] for c in own.voting[:n]] == own.votes[:n].tolist()
    assert len(set(own.voting[:n].tolist())) == n


def test_what_is_like_the_items_that_neighbours_went_to_is_found() -> None:
    stream = clicks(7, 200, users=12, items=16)
    e = engine(history_length=128)
    e.learn(batch(stream))
    query, rates = create.query(e.settings), create.rates(e.settings)
    items = list(dict.fromkeys(c.item for c in stream))
    by_user: dict[int, list[int]] = defaultdict(list)
    for c in stream:
        by_user[c.user].append(c.item)
    pairs, degree = recount(list(by_user.values()))
    heard = 0
    for row in range(len(by_user)):
        candidates.read_context(*parts(e, query)[:2], row, False)
        neighbours.propose(*parts(e, query, rates))
        n = int(query.n_candidates[0])
        voted = [items[int(c) & ROW_MASK] for c in query.codes[:n]]
        votes = dict(zip(voted, query.features[AFTER, :n].tolist(), strict=True))
        item_neighbours.propose(*parts(e, query, rates))
        expected: dict[int, float] = defaultdict(float)
        for item, vote in votes.items():
            for other, likeness in scores(pairs, degree, [item], RATES.shrink).items():
                expected[other] += vote * likeness
        n = int(query.n_candidates[0])
        found = [items[int(c) & ROW_MASK] for c in query.codes[:n]]
        got = dict(zip(found, query.features[HOP, :n].tolist(), strict=True))
        assert {i: v for i, v in got.items() if v} == pytest.approx(
            {i: v for i, v in expected.items() if v}, rel=1e-4
        )
        heard += len(votes)
    assert heard


class TestItemNeighbours(SourceContract):
    name = "item_neighbours"

    def assert_equals_twin(self, seed: int) -> None:
        """Scores are those of a batch recount, as long as no history has lost an event."""
        stream = clicks(seed, 120, users=12, items=16)
        e = engine(history_length=128)
        e.learn(batch(stream))
        query, rates = create.query(e.settings), create.rates(e.settings)
        by_user: dict[int, list[int]] = defaultdict(list)
        for c in stream:
            by_user[c.user].append(c.item)
        items = list(dict.fromkeys(c.item for c in stream))
        pairs, degree = recount(list(by_user.values()))
        for row, history in enumerate(by_user.values()):
            candidates.read_context(*parts(e, query)[:2], row, False)
            item_neighbours.propose(*parts(e, query, rates))
            n = int(query.n_candidates[0])
            got = {
                items[int(c) & ROW_MASK]: v
                for c, v in zip(query.codes[:n], query.features[COSINE, :n].tolist(), strict=True)
            }
            assert got == pytest.approx(scores(pairs, degree, history, RATES.shrink), rel=1e-5)
