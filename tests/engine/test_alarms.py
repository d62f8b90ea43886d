"""Alarms of `control` in the engine: done once, at a place in the log, kept in snapshots; slates explore meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.state.layout import leaves
from stream_rec.engine.steering.alarms import AGAIN_MS, stood_in
from stream_rec.engine.steering.decisions import MARGIN_MS
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.decisions import Decision
from stream_rec.schemas.scenario import Rerank, Scenario
from stream_rec.settings import EngineSettings
from tests.engine.deciding import decide, decision, scenario
from tests.engine.worlds import SMALL_MEASURE

AT = 5_000.0
"""When alarms are raised, by the broker's time in seconds."""
SETTINGS = EngineSettings(max_users=256, max_items=128, train_sample=1.0, n_factors=8)
SQUARES = [f"ranker.{part}_squares" for part in ("linear", "hidden", "bias", "out")]


def shop(*decisions: Decision) -> Engine:
    e = Engine(SETTINGS, SMALL_MEASURE)
    decide(e, *decisions)
    return e


def alarm(at: float = AT, name: str = "served_hit_rate", **does: Any) -> Decision:
    body = {
        "metric": name,
        "direction": "drop",
        "since": at - 60,
        "level": 0.1,
        "normal": 0.3,
        "until": at + 3600,
    }
    return decision("alarm", name, body | (does or {"learning_rate": True}), at)


def over(name: str = "served_hit_rate") -> Decision:
    return decision("alarm", name, None, AT + 3600)


def events(n: int, start: int, at: float) -> EventBatch:
    """A second apart, and the broker takes each when it happens."""
    rng = np.random.default_rng(start)
    rows = [(f"u{rng.integers(40)}", f"i{rng.integers(30) ** 2 % 37}", at + i) for i in range(n)]
    return EventBatch.of(rows, span=Span("events", 0, 0, start, start + n))


def changed(a: Engine, b: Engine) -> list[str]:
    pairs = zip(leaves(a.state), leaves(b.state), strict=True)
    return [path for (path, mine), (_, other) in pairs if mine.tobytes() != other.tobytes()]


def test_an_alarm_is_done_before_the_first_event_that_is_later_by_a_margin_and_once() -> None:
    e, calm = shop(), shop()
    for each in (e, calm):
        each.learn(events(300, 0, AT - 300))
    decide(e, alarm())
    late = MARGIN_MS // 1000
    for each in (e, calm):
        each.learn(events(late, 300, AT + 1))
    assert changed(e, calm) == []
    for each in (e, calm):
        each.learn(events(1, 300 + late, AT + late + 1))
    assert [path for path in SQUARES if path not in changed(e, calm)] == []
    before = e.state.ranker.linear_squares.copy()
    e.learn(events(1, 301 + late, AT + late + 2))
    assert (e.state.ranker.linear_squares >= before * 0.99).all()
    assert e.decisions.alarms.due == ()


@pytest.mark.parametrize("does", [{"learning_rate": True}, {"reset": ["transitions", "item_neighbours"]}])
def test_it_is_the_same_however_events_are_cut_and_whenever_the_record_is_met(does: dict[str, Any]) -> None:
    cut, early = shop(), shop(alarm(**does))
    log = events(600, 0, AT - 300)
    for first in range(0, 600, 7):
        cut.learn(part_of(log, first, first + 7))
        if first == 294:
            decide(cut, alarm(**does))
    early.learn(log)
    assert cut.digest() == early.digest()


def part_of(log: EventBatch, first: int, last: int) -> EventBatch:
    last = min(last, len(log))
    part = log.only(np.arange(first, last))
    return EventBatch.of(
        zip(part.users.to_list(), part.items.to_list(), part.ts.tolist(), strict=True),
        span=Span("events", 0, 0, first, last),
    )


def test_a_source_that_begins_anew_has_counted_nothing_and_counts_again() -> None:
    e, calm = shop(alarm(reset=["transitions", "item_neighbours"])), shop()
    for each in (e, calm):
        each.learn(events(300, 0, AT - 300))
        each.learn(events(20, 300, AT + 60))
    parts = {path.split(".")[0] for path in changed(e, calm)}
    assert {"transitions", "item_neighbours"} <= parts <= {"transitions", "item_neighbours", "ranker"}
    counted = [np.count_nonzero(each.state.transitions.next_weights) for each in (e, calm)]
    assert 0 < counted[0] < counted[1]
    assert e.recommend(["u1"]).items[0]


def test_what_is_due_outlives_a_snapshot() -> None:
    e, again = shop(alarm(exploration=0.3, reset=["neighbours"])), Engine(SETTINGS, SMALL_MEASURE)
    e.learn(events(290, 0, AT - 300))
    again.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
    assert again.digest() == e.digest()
    assert again.decisions.alarms.due == e.decisions.alarms.due != ()
    assert again.decisions.alarms.in_force == e.decisions.alarms.in_force
    for each in (e, again):
        each.learn(events(100, 290, AT))
    assert again.digest() == e.digest()
    assert again.decisions.alarms.due == ()


def test_several_workers_that_find_the_same_raise_one_alarm() -> None:
    e = shop(alarm(), alarm(AT + 1), alarm(AT + 1, "ctr"), alarm(AT + 2 + AGAIN_MS / 1000))
    assert len(e.decisions.alarms.due) == 3


def test_slates_explore_while_an_alarm_is_in_force_and_as_scenarios_say_after_it() -> None:
    e = shop(scenario("bold", exploration={"share": 0.5}), scenario("plain"))
    decide(e, alarm(exploration=0.2))
    shares = {
        name: each.exploration and each.exploration.share for name, each in e.decisions.scenarios.items()
    }
    assert shares == {"default": 0.2, "bold": 0.5, "plain": 0.2}
    assert e.changed_at("plain") == 2
    assert e.decisions.alarms.due == ()
    decide(e, over())
    assert e.decisions.scenarios["plain"].exploration is None
    assert e.decisions.scenarios["default"].exploration is None
    assert e.changed_at("plain") == 3


def test_what_is_popular_stands_in_for_what_is_personal_and_other_rules_hold() -> None:
    e = shop(scenario("mine", k=5), scenario("like", logic="similar"))
    e.learn(events(300, 0, AT - 300))
    before = e.recommend(["u1", "u2"], scenario="mine").items
    assert before[0] != before[1]
    decide(e, alarm(name="quality", popular=True))
    e.compile_rules()
    logics = {name: each.logic for name, each in e.decisions.scenarios.items()}
    assert logics == {"default": "popular", "mine": "popular", "like": "similar"}
    found = e.recommend(["u1", "u2"], scenario="mine").items
    assert found[0] == found[1]
    assert len(found[0]) == 5
    assert e.decisions.alarms.due == ()
    decide(e, over("quality"))
    e.compile_rules()
    assert e.recommend(["u1", "u2"], scenario="mine").items == before


def test_a_model_of_the_ranker_goes_with_what_is_personal() -> None:
    own = Scenario(k=5, rerank=Rerank(model="m.onnx", sha256="0" * 64))
    assert stood_in({"own": own}, popular=True) == {"own": Scenario("popular", k=5)}
    assert stood_in({"own": own}, popular=False) == {"own": own}


def test_rankers_of_arms_take_larger_steps_too() -> None:
    arms = [{"name": "control"}, {"name": "eager", "learning_rate": 2.0}]
    trial = decision("experiment", "x", {"arms": arms, "state": "running", "started": AT - 300})
    e, calm = shop(trial, alarm()), shop(trial)
    for each in (e, calm):
        each.learn(events(320, 0, AT - 300))
    (ranker,), (other,) = e.arms.all().values(), calm.arms.all().values()
    assert not np.array_equal(ranker.ranker.linear_squares, other.ranker.linear_squares)
