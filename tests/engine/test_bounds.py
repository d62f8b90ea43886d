"""State never grows past its bounds, and nothing that was evicted is ever shown or named again."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of, rows_of
from stream_rec.kernels.codes import CODE_MASK, LAST_GENERATION, NO_CODE, ROW_MASK, is_current
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.schemas.records import Item
from tests.engine.worlds import bytes_held, change, click, engine, everywhere, known_items, learn, random_log

USERS, ITEMS = 64, 32


def tiny() -> Engine:
    return engine(max_users=USERS, max_items=ITEMS, index_refresh_events=16, exact_below_items=8)


def flood(e: Engine, n: int, seed: int, *, id_bytes: int = 0) -> None:
    """So many events, of n / 10 users on n / 3 items that were never seen before, in batches of about 90."""
    rng = np.random.default_rng(seed)
    ts = e.event_time + np.cumsum(rng.exponential(20.0, n))
    rows = [
        (
            f"{seed}-u{i // 10}".zfill(id_bytes),
            f"{seed}-i{i // 3 - rng.integers(5)}".zfill(id_bytes),
            float(t),
        )
        for i, t in enumerate(ts)
    ]
    for start in range(0, n, 90):
        click(e, *rows[start : start + 90])


def test_memory_stays_the_same_however_often_the_bounds_are_filled() -> None:
    e = tiny()
    flood(e, 1000, 1)
    held = bytes_held(e)
    for seed in range(2, 8):
        flood(e, 2000, seed)
        learn(e, random_log(seed, 200, users=500, items=500, partitions=seed))
        assert bytes_held(e) == held
    stats = e.stats()
    assert (stats["users"], stats["items"]) == (USERS, ITEMS)
    assert stats["index_items"] <= ITEMS


def test_rows_rings_and_lists_overflow_quietly() -> None:
    """Enough different items that the sparse rows, the rings and the lists of the heaviest are all full."""
    e = engine(max_users=500, max_items=400, index_refresh_events=256, train_sample=0.1)
    held = bytes_held(e)
    rng = np.random.default_rng(9)
    for start in range(0, 16_000, 4000):
        items = (rng.random(4000) ** 2 * 600).astype(int)
        users = rng.integers(700, size=4000)
        rows = zip(users, items, np.arange(start, start + 4000) * 5.0, strict=True)
        click(e, *[(f"u{u}", f"i{i}", float(t)) for u, i, t in rows])
    s = e.state
    for codes in (s.transitions.next_codes, s.transitions.later_codes, s.item_neighbours.codes):
        assert (codes != NO_CODE).all(axis=1).any()
    assert (s.popularity.top >= 0).all()
    assert s.neighbours.pushed.max() > e.settings.ring_length
    assert bytes_held(e) == held
    ranked = e.recommend([f"u{n}" for n in range(700)], k=100)
    assert all(len(set(slate)) == 100 for slate in ranked.items)
    assert np.isfinite(ranked.scores).all()


def test_long_ids_cost_what_the_live_ones_need() -> None:
    e = tiny()
    for seed in range(6):
        flood(e, 1000, seed, id_bytes=250)
        batch_bytes = 90 * 250
        live_bytes = (USERS + ITEMS) * 250
        arenas = len(e.state.users.arena) + len(e.state.items.arena)
        assert arenas <= 2 * live_bytes + 2 * (2 * batch_bytes + 65_536)


def test_evictions_are_counted() -> None:
    e = tiny()
    evicted_users = evicted_items = 0
    for start in range(0, 300, 10):
        learned = e.learn(_singles(start, 10))
        evicted_users += learned.evicted_users
        evicted_items += learned.evicted_items
    assert (evicted_users, evicted_items) == (300 - USERS, 300 - ITEMS)
    assert e.stats()["evicted_users"] == evicted_users
    assert e.stats()["evicted_items"] == evicted_items


def _singles(start: int, n: int) -> EventBatch:
    rows = [(f"u{i}", f"i{i}", float(i)) for i in range(start, start + n)]
    return EventBatch.of(rows, span=Span("events", 0, 0, start, start + n))


def test_the_longest_silent_go_first() -> None:
    e = engine(max_users=16, max_items=16)
    click(e, *[(f"u{n}", f"i{n}", float(n)) for n in range(16)])
    click(e, ("u0", "i0", 100.0), ("u1", "i1", 101.0))
    click(e, ("newcomer", "novelty", 102.0))
    assert e.state.histories.n_events.tolist().count(2) == 2
    assert "i2" not in known_items(e)
    assert {"i0", "i1", "i3", "novelty"} <= set(known_items(e))
    assert e.recommend(["u2"]).because[0] == [""] * 16, "an evicted user is a stranger"


def test_evicted_items_are_in_no_slate_no_list_and_no_reason() -> None:
    e = tiny()
    for seed in range(25):
        flood(e, 200, seed)
        learn(e, [r for r in random_log(seed, 40, users=30, items=80) if r.topic == "items"])
        _assert_only_live_names(e, [f"{seed}-u{n}" for n in range(20)])


def _assert_only_live_names(e: Engine, users: list[str]) -> None:
    live = set(known_items(e))
    assert everywhere(e, users, k=40) <= live
    because = e.recommend(users, k=40).because
    had = _histories(e, users)
    for user, named in zip(users, because, strict=True):
        assert set(named) - {""} <= had[user] & live


def _histories(e: Engine, users: list[str]) -> dict[str, set[str]]:
    """Ids of the live items in the users' histories, read straight from the state."""
    h, had = e.state.histories, {}
    for user, row in zip(users, rows_of(e.state.users, IdColumn.of(users)).tolist(), strict=True):
        codes = [int(c) & CODE_MASK for c in h.items[row][: h.n_events[row]]] if row >= 0 else []
        had[user] = {name_of(e.state.items, c & ROW_MASK) for c in codes if is_current(c, e.state.generation)}
    return had


@pytest.mark.parametrize("times", [LAST_GENERATION - 1, LAST_GENERATION, LAST_GENERATION + 1, 130])
def test_rows_can_be_reused_more_often_than_there_are_generations(times: int) -> None:
    """Also when nothing was asked in between, so that no cache could notice."""
    e = engine(max_users=16, max_items=ITEMS)
    n = 0

    def renew() -> None:
        nonlocal n
        click(e, *[("u", f"i{n + i}", float(n + i)) for i in range(ITEMS)])
        n += ITEMS

    renew()
    first = everywhere(e, ["u", "stranger"])
    for _ in range(times):
        renew()
    assert e.stats()["evicted_items"] == times * ITEMS
    assert everywhere(e, ["u", "stranger"]) == {f"i{n - ITEMS + i}" for i in range(ITEMS)}
    assert first == {f"i{i}" for i in range(ITEMS)}
    assert 1 <= e.state.generation.min() <= e.state.generation.max() <= LAST_GENERATION
    assert (e.state.histories.items[0] != NO_CODE).all()


def test_catalogue_changes_are_bounded_too() -> None:
    e = tiny()
    change(e, *[Item(f"first{n}", tags=("a", f"t{n}")) for n in range(ITEMS)])
    held = bytes_held(e)
    for n in range(0, 2000, 50):
        change(
            e, *[Item(f"i{n + i}", tags=(f"t{n + i}",)) for i in range(50)], *[f"i{n + i}" for i in range(25)]
        )
    assert bytes_held(e) == held
    assert e.stats()["items"] == ITEMS
    assert e.stats()["index_items"] <= ITEMS


def test_a_user_of_many_events_keeps_the_last_ones() -> None:
    e = engine(history_length=16)
    click(e, *[("u", f"i{n % 60}", float(n)) for n in range(5000)])
    named = set(e.recommend(["u"], k=60).because[0]) - {""}
    assert named <= {f"i{n % 60}" for n in range(5000 - 16, 5000)}


def test_a_newcomer_inherits_nothing_from_the_row_it_takes() -> None:
    e = engine(max_users=16)
    for n in range(200):
        click(e, (f"u{n}", f"i{n % 10}", float(n)))
    fresh = engine(max_users=16)
    click(e, ("newcomer", "i3", 1000.0))
    row = int(np.flatnonzero(e.state.users.seen == 1000.0)[0])
    assert e.state.histories.n_events[row] == 1
    assert (e.state.factors.users[row] == fresh.state.factors.users[0]).all()
    assert e.state.factors.user_squares[row] == 0
