"""Session neighbours equal a search through every event of every user."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.engine.state import create
from stream_rec.kernels import candidates, histories
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.kernels.histories import HistoryState
from stream_rec.kernels.reference import refer
from stream_rec.sources import neighbours
from stream_rec.sources.neighbours import AFTER, BEFORE, RATES
from tests.contract.sources import SourceContract
from tests.engine.holding import parts
from tests.oracles.histories import SlowHistories
from tests.oracles.neighbours import SlowNeighbours, chosen, event_number, matches, session_of
from tests.sources.making import Click, batch, clicks, code, engine

LENGTH = 16


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 12), st.sampled_from([4, 8]))
def test_similar_users_equal_a_search_through_the_rings(seed: int, n_sample: int, ring_length: int) -> None:
    rng = np.random.default_rng(seed)
    s = refer(neighbours.empty(Bounds(items=6, ring_length=ring_length)))
    slow = SlowNeighbours(ring_length)
    for number in range(int(rng.integers(60))):
        item, user = int(rng.integers(6)), int(rng.integers(8))
        neighbours.push(s, item, user, number)
        slow.push(item, user, number)
    session = rng.permutation(6)[: rng.integers(6)].tolist()
    decay = np.exp(-np.arange(16) / 1.5).astype(np.float32)
    x = refer(neighbours.scratch(Bounds()))
    codes = np.array([code(item) for item in session] + [0], np.int32)
    for me in (3, -1):
        n = neighbours.accumulate(s, x, me, codes, len(session), ROW_MASK, decay, n_sample)
        got = [(int(x.users[e]), int(x.item[e]), int(x.place[e]), x.similarity[e]) for e in range(n)]
        expected = matches(slow.rings, me, session, list(decay), min(n_sample, ring_length))
        assert got == [(m.user, session.index(m.item), m.number % 256, m.similarity) for m in expected]


def test_more_similar_users_than_there_is_room_for_are_left_out() -> None:
    s = refer(neighbours.empty(Bounds(items=2, ring_length=16)))
    for user in range(12):
        neighbours.push(s, user % 2, user, user)
    room = np.zeros(3, np.int32)
    x = refer(neighbours.scratch(Bounds())._replace(users=room, similarity=np.zeros(3, np.float32)))
    decay = np.array([1.0, 0.5], np.float32)
    n = neighbours.accumulate(s, x, -1, np.array([code(1), code(0)], np.int32), 2, ROW_MASK, decay, 16)
    assert (n, room.tolist()) == (3, [11, 9, 7])


def test_the_table_is_wiped_before_stamps_come_round_again() -> None:
    s = refer(neighbours.empty(Bounds(items=1, ring_length=16)))
    for user in range(5):
        neighbours.push(s, 0, user, user)
    x = refer(neighbours.scratch(Bounds()))
    codes, decay = np.array([code(0)], np.int32), np.ones(1, np.float32)
    for stamp in (0, neighbours.LAST_STAMP - 1, neighbours.LAST_STAMP):
        x.stamp[0] = stamp
        assert neighbours.accumulate(s, x, -1, codes, 1, ROW_MASK, decay, 16) == 5
    assert x.stamp[0] == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0078125, 4, width=32), max_size=40), st.integers(1, 20))
def test_the_most_similar_are_chosen(similarity: list[float], n_neighbours: int) -> None:
    x = refer(neighbours.scratch(Bounds()))
    x.similarity[: len(similarity)] = similarity
    m = neighbours.choose(x, len(similarity), n_neighbours)
    got = x.chosen[:m].tolist()
    assert set(got) == chosen([np.float32(v) for v in similarity], n_neighbours)
    assert len(got) == len(set(got)) == min(len(similarity), n_neighbours)
    left = [v for e, v in enumerate(similarity) if e not in got]
    if left:
        assert min(similarity[e] for e in got) >= max(left) - max(similarity) / 255 * 1.001


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 700))
def test_an_entry_finds_its_event_or_nothing(seed: int, n_events: int) -> None:
    """Also after the event has left the ring, and after its number has come round past 256."""
    rng = np.random.default_rng(seed)
    slow = SlowHistories(LENGTH, 1800.0)
    h = refer(
        HistoryState(
            items=np.zeros((1, LENGTH), np.int32),
            types=np.zeros((1, LENGTH), np.uint8),
            pauses=np.zeros((1, LENGTH), np.uint8),
            n_events=np.zeros(1, np.uint32),
            session_start=np.zeros(1, np.uint32),
            session=np.zeros(1, np.uint64),
        )
    )
    user = np.int32(0)
    ts = 0.0
    for _ in range(n_events):
        ts += 3600.0 if rng.random() < 0.2 else 1.0
        item = int(rng.integers(3))
        histories.append(h, 0, np.int32(code(item)), slow.would_begin(0, ts), np.uint64(0), 0, 0.0)
        slow.append(0, item, ts)
    steps = slow.steps[0]
    for number in range(max(0, n_events - 300), n_events):
        for item in range(3):
            expected = event_number(steps, LENGTH, number % 256, item)
            found = neighbours.matched_event(h, user, np.uint8(number & 255), np.int32(code(item)))
            assert found == expected
    for number in range(max(0, n_events - LENGTH), n_events):
        session = session_of(steps, LENGTH, number)
        for reach in (1, 4, 50):
            begin = neighbours.session_begin(h, user, number, reach)
            end = neighbours.session_end(h, user, number, reach)
            assert (begin, end) == (max(session.start, number - reach), min(session.stop, number + 1 + reach))


def replayed(stream: list[Click], length: int, ring_length: int) -> tuple[SlowHistories, SlowNeighbours]:
    """An item's first event in a session (of the items it still shows) goes on the item's ring."""
    h, n = SlowHistories(length, 1800.0), SlowNeighbours(ring_length)
    for c in stream:
        session = [] if h.would_begin(c.user, c.ts) else [seen.item for seen in h.session(c.user)]
        if c.item not in session:
            n.push(c.item, c.user, len(h.steps[c.user]))
        h.append(c.user, c.item, c.ts)
    return h, n


class TestNeighbours(SourceContract):
    name = "neighbours"

    def assert_equals_twin(self, seed: int) -> None:
        """Votes are those of a search through every event."""
        stream = clicks(seed, 250, users=9, items=14, pause=1500.0)
        e = engine()
        e.learn(batch(stream))
        few = RATES._replace(n_neighbours=4, match_window=3)
        query, rates = create.query(e.settings), create.rates(e.settings)._replace(neighbours=few)
        slow_histories, slow = replayed(stream, e.settings.history_length, e.settings.ring_length)
        users = list(dict.fromkeys(c.user for c in stream))
        items = list(dict.fromkeys(c.item for c in stream))
        for row, user in enumerate(users):
            candidates.read_context(*parts(e, query)[:2], row, False)
            neighbours.propose(*parts(e, query, rates))
            votes_of = slow.votes(
                slow_histories,
                user,
                n_neighbours=4,
                reach=3,
                session_decay=list(query.session_decay),
                match_decay=list(query.neighbours.decay),
            )
            n = int(query.n_candidates[0])
            found = [items[int(c) & ROW_MASK] for c in query.codes[:n]]
            for feature, votes in zip((AFTER, BEFORE), votes_of, strict=True):
                column = zip(found, query.features[feature, :n].tolist(), strict=True)
                assert {item: v for item, v in column if v > 0} == pytest.approx(votes, rel=1e-5)
