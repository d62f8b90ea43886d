"""An engine restored from another one's arrays goes on as that one would have, bit for bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError
from stream_rec.schemas.columns import EventBatch, Span
from tests.engine.worlds import Record, answers, click, engine, learn, random_log

USERS = [f"u{n}" for n in range(40)]
N = 300


def crowded(**bounds: object) -> Engine:
    """So small that users and items are evicted, and the index is refreshed and rebuilt every few events."""
    small: dict[str, object] = {
        "max_users": 24,
        "max_items": 20,
        "index_refresh_events": 8,
        "exact_below_items": 8,
    }
    return engine(**(small | {"train_sample": 0.5} | bounds))


def a_log(seed: int, n: int = N) -> list[Record]:
    return random_log(seed, n, users=40, items=60)


def kept(e: Engine) -> dict[str, NDArray[np.generic]]:
    """As a snapshot would be read: nothing that the engine may change later."""
    return {name: array.copy() for name, array in e.snapshot().items()}


def restored(e: Engine) -> Engine:
    other = crowded()
    other.restore(kept(e), e.position)
    return other


def assert_same(a: Engine, b: Engine) -> None:
    assert a.digest() == b.digest()
    assert a.position == b.position
    assert a.stats() == b.stats()
    assert answers(a, USERS) == answers(b, USERS)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32), cuts=st.sets(st.integers(0, N), min_size=1, max_size=3))
def test_restored_at_any_cut_it_ends_as_if_it_had_never_stopped(seed: int, cuts: set[int]) -> None:
    log = a_log(seed)
    whole, stopped, at = crowded(), crowded(), 0
    for cut in sorted(cuts):
        learn(stopped, log[at:cut])
        stopped, at = restored(stopped), cut
    learn(stopped, log[at:])
    learn(whole, log)
    assert_same(whole, stopped)


def test_a_rebuild_of_the_index_that_is_under_way_is_joined_at_its_count() -> None:
    log = a_log(5)
    whole, n_rebuilding = crowded(), 0
    for at in range(len(log)):
        learn(whole, log[at : at + 1])
        if "index.next.rows" in whole.snapshot():
            n_rebuilding += 1
            stopped = restored(whole)
            assert_same(whole, stopped)
            if n_rebuilding % 3 == 1:
                untouched = copy.copy(whole.position)
                rest = log[at + 1 : at + 60]
                learn(stopped, rest)
                twin = crowded()
                learn(twin, log[: at + 60])
                assert_same(twin, stopped)
                assert whole.position == untouched
    assert n_rebuilding > 6


def test_later_events_do_not_reach_the_engine_it_came_from() -> None:
    a = crowded()
    learn(a, a_log(1))
    before = a.digest()
    learn_more(restored(a))
    assert a.digest() == before


def learn_more(e: Engine) -> None:
    click(e, *((f"u{n}", f"i{n}", 2e9 + n) for n in range(30)))


@pytest.mark.parametrize(
    "bound",
    [
        {"n_factors": 16},
        {"history_length": 32},
        {"ring_length": 16},
    ],
    ids=lambda bound: next(iter(bound)),
)
def test_other_bounds_are_refused_and_nothing_is_changed(bound: dict[str, object]) -> None:
    a, b = engine(), engine(**bound)
    learn(a, a_log(2))
    empty = b.digest()
    with pytest.raises(ConfigError, match="settings the snapshot was made with"):
        b.restore(a.snapshot(), a.position)
    assert b.digest() == empty
    assert b.position == {}
    learn_more(b)


def test_a_missing_array_is_refused_and_nothing_is_changed() -> None:
    a = engine()
    learn(a, a_log(2))
    whole = kept(a)
    for part in ("state.", "index."):
        name = next(each for each in whole if each.startswith(part))
        b = engine()
        with pytest.raises(ConfigError):
            b.restore({each: array for each, array in whole.items() if each != name}, a.position)
        assert b.digest() == engine().digest()


def test_an_engine_that_has_learned_cannot_be_restored() -> None:
    a, b = engine(), engine()
    learn_more(b)
    with pytest.raises(ValueError, match="learned nothing"):
        b.restore(a.snapshot(), a.position)


def test_river_models_cannot_be_kept_and_say_so() -> None:
    with pytest.raises(ConfigError, match="river_BiasedMF"):
        engine(river_sources=("BiasedMF",)).snapshot()


def test_a_snapshot_takes_what_is_known_not_what_there_is_room_for() -> None:
    def size(max_users: int) -> int:
        e = engine(max_users=max_users)
        learn_more(e)
        whole = e.snapshot()
        return sum(array.nbytes for name, array in whole.items() if name != "state.users.slots")

    assert size(64) == size(1 << 16)


def test_the_digest_tells_positions_and_indexes_apart() -> None:
    a, b = engine(), engine()
    for e in (a, b):
        learn(e, a_log(2))
    assert a.digest() == b.digest()
    b.position["items", 9] = 7
    assert a.digest() != b.digest()
    del b.position["items", 9]
    b._vectors._index.remove(np.arange(20, dtype=np.int32))
    assert a.digest() != b.digest()


def test_a_producers_repeat_is_known_after_a_restart() -> None:
    def sent(start: int) -> EventBatch:
        return EventBatch.of(
            [("u", "i", 1e9)], span=Span("events", 0, 0, start, start + 1), event_ids=["once"]
        )

    before = crowded()
    before.learn(sent(0))
    after = restored(before)
    assert after.learn(sent(1)).n_repeated == 1
    assert after.n_learned == 1
