"""Decisions: which scenarios are in force, and that a forgotten past stays forgotten in whatever order records come."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import rows_of
from stream_rec.engine.steering.decisions import MARGIN_MS, MAX_KEPT, MAX_SCENARIOS
from stream_rec.kernels.ids import hash_id
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.schemas.records import Impression
from stream_rec.schemas.scenario import Scenario
from tests.engine.deciding import decide, decision, erasure, merge, scenario
from tests.engine.worlds import Record, click, engine, impression_batch, learn, random_log

OF_ANN = [("ann", f"i{n}", 100.0 + n) for n in range(6)]
OF_BOB = [("bob", f"i{n}", 100.0 + n) for n in range(3, 9)]
LATER = 1_000.0


def holds(e: Engine, user_id: str) -> bool:
    """Does any array hold the id, or a count by its hash?"""
    wanted, hashed = user_id.encode(), hash_id(user_id)
    arrays = e.snapshot()
    if any(wanted in array.tobytes() for array in arrays.values()):
        return True
    by_user = {name: array for name, array in arrays.items() if not name.startswith("control.")}
    return any(np.uint64(hashed).tobytes() in array.tobytes() for array in by_user.values())


def test_a_scenario_is_what_the_settings_say_until_a_record_overrides_it() -> None:
    e = engine()
    assert e.decisions.scenarios == {"default": Scenario()}
    decide(e, scenario("default", k=3), scenario("home", k=2))
    assert {name: each.k for name, each in e.decisions.scenarios.items()} == {"default": 3, "home": 2}
    click(e, *OF_ANN)
    assert [len(e.recommend(["ann"], scenario=name).items[0]) for name in ("default", "home")] == [3, 2]


def test_a_record_that_is_taken_back_leaves_the_settings_scenario_and_no_other() -> None:
    e = engine()
    decide(e, scenario("default", k=3), scenario("home", k=2))
    decide(e, decision("scenario", "default", None), decision("scenario", "home", None))
    assert e.decisions.scenarios == {"default": Scenario()}
    assert set(e.decisions.changed) == {"default", "home"}


def test_a_scenario_that_is_off_or_over_gets_no_slates() -> None:
    e = engine()
    decide(e, scenario("home", on=False), scenario("sale", **{"from": 10.0, "until": 20.0}))
    assert e.decisions.in_force(9.0) == ("default",)
    assert e.decisions.in_force(10.0) == ("default", "sale")


def test_rules_change_nothing_that_is_learned() -> None:
    one, other = engine(), engine()
    log = random_log(3, 300, users=20, items=30)
    decide(one, scenario("home", k=2))
    learn(one, log)
    learn(other, log)
    decide(other, scenario("home", k=2))
    assert one.digest() == other.digest()


def test_decisions_survive_a_snapshot_unknown_kinds_included() -> None:
    e = engine()
    decide(e, scenario("home", k=2), decision("weather", "rain", {"arms": 2}), erasure("ann", LATER))
    decide(e, decision("experiment", "blue", {"arms": [{"name": "control"}, {"name": "dark"}]}))
    decide(e, merge("visitor", "bob", LATER))
    kept = {name: array.copy() for name, array in e.snapshot().items()}
    again = engine()
    again.restore(kept, e.position)
    assert again.digest() == e.digest()
    assert again.decisions.scenarios == e.decisions.scenarios
    assert all(word in kept["control.kept"].tobytes() for word in (b"arms", b"dark"))
    click(again, ("ann", "x", 1.0))
    assert rows_of(again.state.users, IdColumn.of(["ann"]))[0] < 0


def test_everything_that_is_decided_has_a_bound() -> None:
    e = engine(max_erased=16)
    decide(e, *(scenario(f"s{n}") for n in range(MAX_SCENARIOS + 5)))
    assert len(e.decisions.scenarios) == MAX_SCENARIOS
    decide(e, *(decision("later", f"n{n}", {}) for n in range(MAX_KEPT + 5)))
    assert len(e.decisions.changed) <= MAX_KEPT
    decide(e, *(erasure(f"u{n}", LATER + n) for n in range(50)))
    assert e.decisions.n_erased <= 16
    click(e, ("u49", "x", LATER))
    assert rows_of(e.state.users, IdColumn.of(["u49"]))[0] < 0


def test_more_merges_than_are_remembered_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    e = engine(max_erased=16)
    decide(e, *(merge(f"v{n}", "ann", LATER + n) for n in range(16)))
    assert "more visitors became users" not in "".join(capsys.readouterr())
    decide(e, *(merge(f"w{n}", "ann", LATER + n) for n in range(50)))
    assert "".join(capsys.readouterr()).count("more visitors became users than are remembered") == 1


def test_an_erased_user_is_in_no_array() -> None:
    e = engine()
    click(e, *OF_ANN, *OF_BOB)
    learn(e, [Record("impressions", 0, 0, "ann", Impression("s", "ann", 110.0, ("i1",)))])
    assert holds(e, "ann")
    (known,) = decide(e, erasure("ann", LATER))
    assert (known.user_id, known.n_events, known.n_shown) == ("ann", 6, 7)
    assert not holds(e, "ann")
    assert holds(e, "bob")


def test_what_is_replayed_of_an_erased_user_is_not_learned() -> None:
    e = engine()
    click(e, *OF_BOB)
    decide(e, erasure("ann", LATER))
    before = {name: array.copy() for name, array in e.snapshot().items()}
    click(e, *OF_ANN)
    shown = Record("impressions", 0, 0, "ann", Impression("s", "ann", 110.0, ("i1",)))
    e.learn_impressions(impression_batch([shown]))
    after = e.snapshot()
    for name, was in before.items():
        np.testing.assert_array_equal(was, after[name], name)


def test_order_does_not_matter() -> None:
    """A replica that reads the erasure first knows of the user what one knows that reads it last."""
    first, last = engine(), engine()
    decide(first, erasure("ann", LATER))
    click(first, *OF_ANN, ("ann", "new", LATER + 10))
    click(last, *OF_ANN)
    decide(last, erasure("ann", LATER))
    click(last, ("ann", "new", LATER + 10))
    for e in (first, last):
        row = rows_of(e.state.users, IdColumn.of(["ann"]))[0]
        assert e.state.histories.n_events[row] == 1


def test_a_replay_under_a_new_stamp_of_the_broker_is_the_same_past() -> None:
    e = engine()
    decide(e, erasure("ann", LATER))
    batch = EventBatch.of(OF_ANN, span=Span("events", 0, 0, 0, len(OF_ANN)))
    batch.broker_ts[:] = int((LATER + 1e6) * 1000)
    learned = e.learn(batch)
    assert (learned.n_learned, learned.past.tolist()) == (0, list(range(6)))
    assert rows_of(e.state.users, IdColumn.of(["ann"]))[0] < 0


@pytest.mark.parametrize(("after_ms", "is_known"), [(MARGIN_MS, False), (MARGIN_MS + 1, True)])
def test_who_comes_back_is_new_once_the_margin_is_over(after_ms: int, is_known: bool) -> None:
    e = engine()
    click(e, *OF_ANN)
    decide(e, erasure("ann", LATER))
    click(e, ("ann", "new", LATER + after_ms / 1000))
    assert (rows_of(e.state.users, IdColumn.of(["ann"]))[0] >= 0) == is_known


def test_an_erasure_that_is_taken_back_lets_a_replay_teach_again() -> None:
    e = engine()
    decide(e, erasure("ann", LATER))
    decide(e, decision("erasure", f"{hash_id('ann'):016x}", None))
    click(e, *OF_ANN)
    assert rows_of(e.state.users, IdColumn.of(["ann"]))[0] >= 0


def test_others_events_in_the_batch_are_learned_and_repeats_are_told_in_its_order() -> None:
    e = engine()
    decide(e, erasure("ann", LATER))
    rows = [("bob", "a", 1.0), ("ann", "b", 2.0), ("bob", "a", 3.0), ("eve", "c", 4.0)]
    ids = ["1", "1", "1", "2"]
    learned = e.learn(EventBatch.of(rows, span=Span("events", 0, 0, 0, 4), event_ids=ids), judge_all=True)
    assert (learned.n_learned, learned.repeated.tolist(), learned.past.tolist()) == (2, [1, 2], [1])
    assert learned.fresh.at.tolist() == [0, 3]


def test_a_visitor_becomes_a_user_nobody_knew_and_takes_everything_along() -> None:
    e = engine()
    click(e, *OF_BOB, *OF_ANN)
    was = e.recommend(["ann"])
    (known,) = decide(e, merge("ann", "anna", LATER))
    assert (known.user_id, known.became, known.n_events) == ("ann", "anna", 6)
    now = e.recommend(["anna"])
    assert (now.items, now.scores) == (was.items, was.scores)
    assert rows_of(e.state.users, IdColumn.of(["ann"]))[0] < 0


def test_a_visitors_history_is_joined_with_the_users_by_time() -> None:
    e = engine()
    click(e, ("user", "old", 1.0), ("visitor", "newer", 50.0), ("visitor", "newest", 51.0))
    decide(e, merge("visitor", "user", LATER))
    row = rows_of(e.state.users, IdColumn.of(["user"]))[0]
    items = rows_of(e.state.items, IdColumn.of(["old", "newer", "newest"]))
    held = e.state.histories.items[row, :3] & 0x00FFFFFF
    assert (e.state.histories.n_events[row], held.tolist()) == (3, items.tolist())
    assert e.state.histories.session_start[row] == 1
    assert not holds(e, "visitor")


def test_what_is_replayed_of_a_visitor_is_the_users() -> None:
    """A worker that starts without a snapshot reads the merge before the visitor's events."""
    e = engine()
    decide(e, merge("visitor", "user", LATER))
    learned = e.learn(EventBatch.of([("visitor", "a", 1.0)], span=Span("events", 0, 0, 0, 1)))
    assert (learned.n_learned, learned.past.tolist()) == (1, [0])
    assert rows_of(e.state.users, IdColumn.of(["visitor"]))[0] < 0
    assert rows_of(e.state.users, IdColumn.of(["user"]))[0] >= 0


def test_erasing_a_user_forgets_the_visitor_it_was() -> None:
    e = engine()
    decide(e, merge("visitor", "user", LATER), erasure("user", LATER + 100))
    click(e, ("visitor", "a", 1.0), ("user", "b", 2.0))
    assert rows_of(e.state.users, IdColumn.of(["visitor", "user"])).tolist() == [-1, -1]
    assert not holds(e, "user")


@pytest.mark.parametrize("is_live", [True, False])
def test_what_a_visitor_did_who_became_another_is_who_they_became_last(is_live: bool) -> None:
    """Learned before the merges, or replayed after them."""
    e = engine()
    merges = merge("tablet", "phone", LATER), merge("phone", "user", LATER + 100)
    if not is_live:
        decide(e, *merges)
    click(e, ("tablet", "a", 1.0))
    if is_live:
        decide(e, *merges)
    known = rows_of(e.state.users, IdColumn.of(["tablet", "phone", "user"]))
    assert (known >= 0).tolist() == [False, False, True]
    assert e.had("user") == ["a"]


def test_erasing_a_user_forgets_everybody_it_was_by_way_of_others() -> None:
    e = engine()
    decide(
        e, merge("tablet", "phone", LATER), merge("phone", "user", LATER + 100), erasure("user", LATER + 200)
    )
    click(e, ("tablet", "a", 1.0), ("phone", "b", LATER + 50))
    assert rows_of(e.state.users, IdColumn.of(["tablet", "phone", "user"])).tolist() == [-1, -1, -1]
    assert not any(holds(e, user) for user in ("tablet", "phone", "user"))


def test_two_who_became_each_other_are_the_one_that_was_named_last() -> None:
    e = engine()
    decide(e, merge("ann", "anna", LATER), merge("anna", "ann", LATER + 100))
    click(e, ("ann", "a", 1.0), ("anna", "b", 2.0))
    assert (e.had("ann"), e.had("anna")) == (["b", "a"], [])
