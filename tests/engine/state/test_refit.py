"""A changed bound keeps what was learned: into larger tables always, into smaller ones if there is room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.engine.engine import Engine
from stream_rec.engine.state.parts import ATTRIBUTION
from stream_rec.engine.state.refit import _slots, event_ids, item_counts
from stream_rec.errors import ConfigError
from stream_rec.feedback.attribution import Attribution
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.shown import WAYS
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from tests.engine.worlds import SMALL_MEASURE, Record, answers, change, click, engine, learn, random_log
from tests.feedback.making import BUILT_IN

USERS = [f"u{n}" for n in range(40)]


def a_log(seed: int, n: int = 400) -> list[Record]:
    return random_log(seed, n, users=40, items=50)


def refitted(old: Engine, **bounds: object) -> Engine:
    new = engine(**bounds)
    new.restore({name: array.copy() for name, array in old.snapshot().items()}, old.position)
    return new


def assert_same(a: Engine, b: Engine, *, but_for: str | None = None) -> None:
    mine, others = a.snapshot(), b.snapshot()
    for name, array in mine.items():
        if but_for is not None and name.startswith(but_for):
            continue
        assert array.shape == others[name].shape, name
        assert not name.endswith("slots") or set(array[array > 0]) == set(others[name][others[name] > 0])
        assert name.endswith("slots") or np.array_equal(array, others[name], equal_nan=True), name
    assert answers(a, USERS) == answers(b, USERS)


@pytest.mark.parametrize(
    "bounds", [{"max_users": 200}, {"max_items": 300}, {"max_users": 1000, "max_items": 1000}]
)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1 << 32), cut=st.integers(1, 399))
def test_in_larger_tables_it_goes_on_as_if_they_had_always_been_as_large(
    bounds: dict[str, object], seed: int, cut: int
) -> None:
    log = a_log(seed)
    whole, old = engine(**bounds), engine()
    learn(whole, log)
    learn(old, log[:cut])
    new = refitted(old, **bounds)
    learn(new, log[cut:])
    assert_same(whole, new)


def test_more_users_alone_keep_even_the_impressions_that_wait() -> None:
    whole, old, log = engine(max_users=500), engine(), a_log(3)
    learn(old, log[:200])
    new = refitted(old, max_users=500)
    for e, rest in ((whole, log), (new, log[200:])):
        learn(e, rest)
    assert new.digest() == whole.digest()


def test_of_more_items_than_fewer_sets_hold_the_latest_are_counted_on() -> None:
    old = Attribution(SMALL_MEASURE, BUILT_IN, max_items=512, scenarios=["default"])
    new = Attribution(SMALL_MEASURE, BUILT_IN, max_items=16, scenarios=["default"])
    items = hash_ids(IdColumn.of([f"i{n % 300}" for n in range(700)]))
    n, users = len(items), np.ones(len(items), np.uint64)
    old.interact(users, items, np.arange(n, dtype=np.float64), ["click"] * n, np.full(n, np.nan, np.float32))
    fewer = len(new.state.items.item)
    new.load(item_counts(old.arrays(), fewer))
    kept, totals = new.state.items, new.state.items.totals[0]
    n_uses = dict(
        zip(old.state.items.item.ravel().tolist(), old.state.items.uses.ravel().tolist(), strict=True)
    )
    taken = kept.uses > 0
    assert totals["kept_items"] == np.count_nonzero(taken) == fewer * WAYS
    assert totals["kept_uses"] == kept.uses.sum()
    assert totals["interactions"] == n
    assert [n_uses[item] for item in kept.item[taken].tolist()] == kept.uses[taken].tolist()
    assert int(items[-1]) in kept.item


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_full_tables_have_room_again(seed: int) -> None:
    old = engine(max_users=16, max_items=16)
    learn(old, a_log(seed))
    new = refitted(old, max_users=64, max_items=64)
    assert answers(new, USERS) == answers(old, USERS)
    evicted = new.stats()["evicted_users"]
    click(new, *((f"new-u{n}", f"new-i{n}", 2e9 + n) for n in range(48)))
    assert new.stats()["evicted_users"] == evicted
    assert (new.stats()["users"], new.stats()["items"]) == (64, 64)
    click(new, *((f"newer-u{n}", f"newer-i{n}", 3e9 + n) for n in range(30)))
    assert new.stats()["evicted_users"] == evicted + 30


@pytest.mark.parametrize("k", [1, 20, 50])
def test_longer_and_shorter_slates_find_the_heaviest_items(k: int) -> None:
    old = engine(max_items=200, scenarios={"default": {"k": 30}})
    log = random_log(9, 800, users=30, items=150)
    learn(old, log)
    new = refitted(old, max_items=200, scenarios={"default": {"k": k}})
    n = new.state.popularity.top.shape[1]
    assert n == max(40, 2 * k)
    scores, eligible = new.state.popularity.scores, new.state.popularity.eligible
    for p, top in enumerate(new.state.popularity.top):
        held = top[top >= 0]
        wanted = np.sort(scores[p][eligible & (scores[p] > 0)])[::-1][:n]
        assert np.array_equal(np.sort(scores[p][held])[::-1], wanted)
        assert np.array_equal(np.flatnonzero(new.state.popularity.listed[p]), np.sort(held))
    listed = new.popular(n).items
    assert listed[: min(n, 60)] == old.popular(60).items[: min(n, 60)]
    change(new, listed[0])
    assert listed[0] not in new.popular(n).items
    learn_more(new)


def learn_more(e: Engine) -> None:
    click(e, *((f"u{n}", f"i{n}", 2e9 + n) for n in range(30)))


@pytest.mark.parametrize(
    ("bound", "fits"), [({"max_users": 41}, True), ({"max_users": 17}, False), ({"max_items": 17}, False)]
)
def test_smaller_tables_take_what_has_room_and_refuse_the_rest_unchanged(
    bound: dict[str, object], fits: bool
) -> None:
    old = engine()
    learn(old, a_log(2))
    if fits:
        new = refitted(old, **bound)
        assert answers(new, USERS) == answers(old, USERS)
        learn_more(new)
        return
    new = engine(**bound)
    with pytest.raises(ConfigError, match="does not fit"):
        new.restore(old.snapshot(), old.position)
    assert new.digest() == engine(**bound).digest()
    learn_more(new)


def test_bounds_of_measure_leave_out_the_join_and_nothing_else() -> None:
    old = engine()
    learn(old, a_log(2))
    new = Engine(old.settings, SMALL_MEASURE.model_copy(update={"max_open_impressions": 64}))
    new.restore(old.snapshot(), old.position)
    assert_same(old, new, but_for=ATTRIBUTION)
    assert new.attribution.stats()["open_impressions"] == 0
    learn_more(new)


def sent(*ids: str, start: int) -> EventBatch:
    return EventBatch.of(
        [("u", "i", 1e9)] * len(ids), span=Span("events", 0, 0, start, start + len(ids)), event_ids=list(ids)
    )


@pytest.mark.parametrize(("window", "known"), [(64, "cdefghijkl"), (5, "hijkl"), (10, "cdefghijkl"), (0, "")])
def test_the_latest_event_ids_are_known_within_another_window(window: int, known: str) -> None:
    old = engine(repeat_window=10)
    old.learn(sent(*"abcdefghijkl", start=0))
    new = refitted(old, repeat_window=window)
    for start, (key, is_known) in enumerate([(key, True) for key in known] + [("z", False)], start=12):
        assert new.learn(sent(key, start=start)).n_repeated == is_known, key
    again = refitted(new, repeat_window=window)
    assert again.learn(sent("z", start=len(known) + 13)).n_repeated == (window > 0)


def test_partitions_of_event_ids_that_there_is_no_room_for_are_left_out() -> None:
    hashes, n_taken = np.arange(1, 4, dtype=np.uint64), np.array([3])
    given = {
        f"{p}.{name}": array for p in (0, 7) for name, array in (("hashes", hashes), ("n_taken", n_taken))
    }
    assert event_ids(given, 8, 4).keys() == {"0.hashes", "0.n_taken"}
    assert event_ids(given, 0, 16) == {}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 32), n=st.integers(1, 300))
def test_every_id_is_found_in_a_table_that_was_made_anew(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    capacity = 1 << (2 * n - 1).bit_length()
    hashes = rng.integers(1, 1 << 6 if n < 60 else 1 << 63, n).astype(np.uint64)
    lengths = np.where(rng.random(n) < 0.2, -1, 5).astype(np.int32)
    slots = _slots(hashes, lengths, capacity)
    assert sorted(slots[slots > 0] - 1) == np.flatnonzero(lengths >= 0).tolist()
    for row in np.flatnonzero(lengths >= 0):
        at = int(hashes[row]) & (capacity - 1)
        while slots[at] != row + 1:
            assert slots[at] != 0, "a look-up would end before its id"
            at = (at + 1) & (capacity - 1)
