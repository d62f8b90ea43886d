"""Sessions and histories equal lists of every event, as far as the ring reaches."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.kernels import histories as kernels
from stream_rec.kernels.histories import HistoryState
from stream_rec.kernels.reference import refer
from tests.oracles.histories import Seen, SlowHistories
from tests.oracles.ids import hash_id
from tests.sources.making import code

LENGTH, GAP = 8, 30.0

Event = tuple[int, int, float, str]
"""User, item, seconds since the last event (below 0: it comes late), session id."""


def events(seed: int, n: int) -> list[Event]:
    rng = np.random.default_rng(seed)
    pauses = rng.choice(
        [0.0, 5.0, 29.0, 30.0, 31.0, 500.0, -20.0, -400.0],
        n,
        p=[0.2, 0.42, 0.1, 0.08, 0.05, 0.05, 0.06, 0.04],
    )
    ids = np.where(rng.random(n) < 0.05, rng.choice(["", "a", "b"], n), "" if seed % 2 else "a")
    columns = rng.integers(3, size=n), rng.integers(6, size=n), pauses, ids
    return list(zip(*(column.tolist() for column in columns), strict=True))


def empty(length: int = LENGTH) -> HistoryState:
    held: HistoryState = refer(
        HistoryState(
            items=np.zeros((3, length), np.int32),
            types=np.zeros((3, length), np.uint8),
            pauses=np.zeros((3, length), np.uint8),
            n_events=np.zeros(3, np.uint32),
            session_start=np.zeros(3, np.uint32),
            session=np.zeros(3, np.uint64),
        )
    )
    return held


def session(h: HistoryState, user: int, limit: int) -> list[Seen]:
    codes, steps, counts = (np.zeros(limit, np.int32) for _ in range(3))
    n = kernels.session_items(h, user, codes, steps, counts)
    return [
        Seen(int(c & 0xFFFFFF), int(s), int(k)) for c, s, k in zip(codes[:n], steps, counts, strict=False)
    ]


def past(h: HistoryState, user: int) -> list[tuple[int, int]]:
    codes, steps = np.zeros(LENGTH, np.int32), np.zeros(LENGTH, np.int32)
    n = kernels.past_items(h, user, codes, steps)
    return [(int(c & 0xFFFFFF), int(s)) for c, s in zip(codes[:n], steps, strict=False)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 150), st.sampled_from([2, 4, 16]))
def test_they_equal_lists_of_every_event(seed: int, n: int, limit: int) -> None:
    fast, slow = empty(), SlowHistories(LENGTH, GAP)
    seen = np.zeros(3)
    ts = 1000.0
    for user, item, pause, session_id in events(seed, n):
        ts += pause
        begins = kernels.starts_session(fast, user, seen[user], ts, np.uint64(hash_id(session_id)), GAP)
        assert begins == slow.would_begin(user, ts, session_id)
        kernels.append(fast, user, np.int32(code(item)), begins, np.uint64(hash_id(session_id)), 0, 0.0)
        slow.append(user, item, ts, session_id)
        seen[user] = max(seen[user], ts)
        assert session(fast, user, limit) == slow.session(user, limit)
        assert past(fast, user) == [(p.item, p.steps) for p in slow.past(user)]


def test_a_session_longer_than_the_ring_is_what_the_ring_still_holds() -> None:
    h = empty()
    for n in range(100):
        kernels.append(h, 0, np.int32(code(n % 50)), n == 0, np.uint64(0), 0, 0.0)
    assert session(h, 0, 16) == [Seen(49 - ago, ago, 1) for ago in range(LENGTH)]


def test_a_cleared_history_is_empty_and_starts_anew() -> None:
    h = empty()
    for n in range(5):
        kernels.append(h, 1, np.int32(code(n)), n == 0, np.uint64(7), 0, 0.0)
    kernels.clear(h, 1)
    assert past(h, 1) == session(h, 1, 16) == []
    assert kernels.starts_session(h, 1, 1e9, 1e9, np.uint64(7), GAP)
