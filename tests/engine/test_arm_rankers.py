"""Rankers of arms: begun and ended by the log's time, trained beside the engine's, and kept in snapshots."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from stream_rec.engine.arms import rankers
from stream_rec.engine.arms.ranker import JUDGED
from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.decisions import MARGIN_MS
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.decisions import Decision
from stream_rec.settings import EngineSettings
from stream_rec.sources.features import N_FEATURES
from tests.engine.deciding import decide, decision
from tests.engine.worlds import SMALL_MEASURE, learn_vectors

BEGIN, MARGIN = 2_000.0, MARGIN_MS / 1000
ARMS: list[dict[str, Any]] = [
    {"name": "control"},
    {"name": "eager", "learning_rate": 3.0},
    {"name": "plain", "sources": ["popularity", "transitions"]},
]
SETTINGS = EngineSettings(max_users=256, max_items=128, train_sample=1.0, n_factors=8)


def shop(arms: list[dict[str, Any]] | None = ARMS, **body: Any) -> Engine:
    e = Engine(SETTINGS, SMALL_MEASURE)
    if arms:
        decide(e, experiment(arms, **body))
    return e


def experiment(arms: list[dict[str, Any]] = ARMS, **body: Any) -> Decision:
    return decision("experiment", "rates", {"arms": arms, "state": "running", "started": BEGIN, **body})


def batch(n: int, start: int = 0, at: float = BEGIN + MARGIN + 1) -> EventBatch:
    """The broker takes an event when it happens."""
    rng = np.random.default_rng(start)
    rows = [(f"u{rng.integers(40)}", f"i{rng.integers(30) ** 2 % 37}", at + i) for i in range(n)]
    return EventBatch.of(rows, span=Span("events", 0, 0, start, start + n))


def names(e: Engine) -> list[str]:
    return [key.arm for key in e.arms.all()]


def test_an_engine_without_experiments_keeps_and_knows_nothing_of_arms() -> None:
    e, other = shop(None), shop([{"name": "control"}, {"name": "a", "scenario": {"k": 3}}])
    e.learn(batch(200))
    other.learn(batch(200))
    assert not [name for name in e.snapshot() if name.startswith("arms.")]
    assert np.array_equal(e.state.ranker.linear, other.state.ranker.linear)
    assert names(other) == []


@pytest.mark.parametrize(
    "arms", [ARMS[:2], ARMS, [*ARMS, {"name": "calm", "learning_rate": 0.5}]], ids=["own", "others", "mixed"]
)
def test_the_engine_judges_and_learns_the_same_beside_rankers_of_any_kind(arms: list[dict[str, Any]]) -> None:
    """Those that hear the same sources take what the engine has gathered, others gather for themselves."""
    e, alone = shop(arms), shop(None)
    beside, without = (each.learn(batch(400), judge_all=True).fresh for each in (e, alone))
    assert len(e.arms.all()) == len(arms) - 1
    for field in fields(beside):
        assert np.array_equal(getattr(beside, field.name), getattr(without, field.name)), field.name
    for name, array in e.state.ranker._asdict().items():
        assert np.array_equal(array, getattr(alone.state.ranker, name)), name


def test_arms_begin_as_the_engines_ranker_and_go_their_own_way_and_it_learns_as_without_them() -> None:
    e, alone = shop(), shop(None)
    for each in (e, alone):
        each.learn(batch(300, at=BEGIN - 400))
    assert names(e) == []
    for each in (e, alone):
        each.learn(batch(1, 300))
    assert names(e) == ["eager", "plain"]
    for each in (e, alone):
        each.learn(batch(300, 301))
    for name, array in e.state.ranker._asdict().items():
        assert np.array_equal(array, getattr(alone.state.ranker, name)), name
    weights = [e.state.ranker.linear, *(each.ranker.linear for each in e.arms.all().values())]
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    assert {float(each.sums[JUDGED]) for each in e.arms.all().values()} == {301.0}


def test_an_arm_that_changes_nothing_of_the_ranker_would_learn_the_same_bits() -> None:
    e = shop([{"name": "control"}, {"name": "same", "sources": [*SETTINGS.sources]}])
    e.learn(batch(400))
    (same,) = e.arms.all().values()
    for name, array in e.state.ranker._asdict().items():
        assert np.array_equal(array, getattr(same.ranker, name)), name
    assert (same.sums[1], same.sums[2]) == (same.sums[3], same.sums[4])


def test_learning_with_arms_is_a_fold_over_single_records_whenever_the_record_is_met() -> None:
    before, whole = shop(None), shop()
    early, later = batch(100, at=BEGIN - 500), batch(300, 100)
    before.learn(early)
    decide(before, experiment())
    for n in range(0, 300, 7):
        part = later.only(np.arange(n, min(n + 7, 300)))
        span = Span("events", 0, 0, 100 + n, min(107 + n, 400))
        before.learn(replace(part, span=span))
    whole.learn(early)
    whole.learn(later)
    assert before.digest() == whole.digest()


def test_an_experiment_that_is_over_ends_its_rankers_but_the_one_that_is_shipped() -> None:
    e = shop()
    e.learn(batch(50))
    over = BEGIN + 100
    decide(e, experiment(state="shipped", winner="eager", since=over))
    e.learn(batch(10, 50, at=over + MARGIN - 10))
    assert names(e) == ["eager", "plain"]
    e.learn(batch(10, 60, at=over + MARGIN + 10))
    assert names(e) == ["eager"]
    decide(e, decision("experiment", "rates", None))
    e.learn(batch(10, 70, at=over + MARGIN + 20))
    assert names(e) == []


def test_a_restored_engine_goes_on_with_the_same_bits() -> None:
    e = shop()
    e.learn(batch(200))
    again = Engine(SETTINGS, SMALL_MEASURE)
    again.restore(e.snapshot(), e.position)
    assert again.digest() == e.digest()
    for each in (e, again):
        each.learn(batch(200, 200, at=BEGIN + 900))
    assert again.digest() == e.digest()
    assert names(again) == ["eager", "plain"]


def test_a_ranker_of_another_form_begins_anew() -> None:
    e = shop()
    e.learn(batch(100))
    arrays = {name: array[:3] if name == "arms.0.linear" else array for name, array in e.snapshot().items()}
    again = Engine(SETTINGS, SMALL_MEASURE)
    again.restore(arrays, e.position)
    assert names(again) == ["plain"]
    again.learn(batch(10, 100, at=BEGIN + 900))
    assert sorted(names(again)) == ["eager", "plain"]


def test_more_rankers_than_there_is_room_for_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rankers, "MAX_RANKERS", 1)
    e = shop()
    e.learn(batch(50))
    assert names(e) == ["eager"]


def test_slates_of_an_arm_are_ranked_by_its_ranker() -> None:
    few = [{"name": "control"}, {"name": "few", "sources": ["transitions"]}]
    e = shop(few)
    e.learn(batch(300))
    users = [f"u{n}" for n in range(40)]
    found = e.recommend(users)
    scores = {dealt.arm: found.scores[user] for user, dealt in enumerate(found.dealt) if dealt}
    assert scores.keys() == {"control", "few"}
    arm = next(user for user, dealt in enumerate(found.dealt) if dealt and dealt.arm == "few")
    decide(e, experiment(few, state="rolled_back", since=BEGIN + 1e6))
    before = e.recommend(users)
    assert before.scores[arm] != found.scores[arm]
    decide(e, experiment(few, state="shipped", winner="few", since=BEGIN + 1e6))
    shipped = e.recommend(users)
    assert shipped.scores[arm] == found.scores[arm]
    assert shipped.scores != before.scores
    assert e.ranker_of("default", None) is not e.state.ranker


def test_an_arm_may_hear_vectors_that_the_engine_leaves_out() -> None:
    heard = tuple(name for name in SETTINGS.sources if name != "vectors")
    arms = [{"name": "control"}, {"name": "als", "sources": [*SETTINGS.sources]}]
    e, alone = (Engine(SETTINGS.model_copy(update={"sources": heard}), SMALL_MEASURE) for _ in range(2))
    decide(e, experiment(arms, kind="shadow"))
    random = np.random.default_rng(1)
    vectors = [("als", f"i{item}", random.normal(size=4).tolist()) for item in range(37)]
    for each in (e, alone):
        learn_vectors(each, *vectors)
        each.learn(batch(400))
    (als,) = e.arms.all().values()
    moved = als.ranker.linear != e.state.ranker.linear
    assert moved[N_FEATURES:].any(), "what the space says is learned by the arm"
    for name, array in e.state.ranker._asdict().items():
        assert np.array_equal(array, getattr(alone.state.ranker, name)), name
    assert np.array_equal(alone.recommend(["u1"]).rows, e.recommend(["u1"]).rows)
