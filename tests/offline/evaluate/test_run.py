"""A run asks before it learns, learns what the protocol says, and gives the same figures every time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.offline.datasets.files import Beside
from stream_rec.offline.datasets.named import load_columns
from stream_rec.offline.evaluate import run as running
from stream_rec.offline.evaluate.evaluation import Evaluation, evaluate
from stream_rec.offline.evaluate.events import batches
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.rules import Relevant, Rules
from stream_rec.offline.evaluate.run import Run
from stream_rec.schemas.columns import ItemBatch
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Item
from stream_rec.settings import DataSettings, EventTypeSettings
from stream_rec.shapes.messages import Removed
from tests.offline.evaluate.worlds import SMALL, TIMES, log, noise, sessions, silent

LOG = sessions(3, 150)


def run(frame: pl.DataFrame, rules: Rules, *, k: int = 20) -> Evaluation:
    return evaluate(frame, rules, SMALL, k=k, progress=silent)


@cache
def of_log(protocol: str = "prequential") -> Evaluation:
    """A run over the log, which many tests look at."""
    return run(LOG, Rules(protocol))  # type: ignore[arg-type]


def untimed(evaluation: Evaluation) -> dict[str, object]:
    return {name: value for name, value in evaluation.flat().items() if name not in TIMES}


@pytest.mark.parametrize("protocol", ["frozen", "streaming", "prequential"])
def test_a_walk_on_a_ring_is_learned(protocol: str) -> None:
    figures = of_log(protocol).flat()
    assert figures["hr@20"] > figures["hr@5"] > 0.4
    assert figures["transitions_mrr@20"] > 0.3
    assert figures["most_popular_hr@20"] < figures["hr@20"]
    assert figures["blind_compared"] == figures["slates"] == figures["queries"]
    assert figures["blind_worse"] == 0


def test_ratings_are_predicted_before_they_are_learned_where_a_type_says_what_they_are() -> None:
    rated = LOG.with_columns(event_type=pl.lit("rating"), value=3.0 + pl.int_range(pl.len()) % 2)
    settings = SMALL.model_copy(update={"event_types": {"rating": EventTypeSettings(value="rating")}})
    plain = run(rated, Rules("prequential")).flat()
    found = evaluate(rated, Rules("prequential"), settings, k=20, progress=silent).flat()
    assert found["ratings"] == len(rated) - 1
    assert 0.3 < found["rating_mae"] <= found["rating_rmse"] < 1.0
    assert "ratings" not in plain
    assert found["hr@20"] == plain["hr@20"]


def test_the_same_run_twice_gives_the_same_figures() -> None:
    assert untimed(run(LOG, Rules("prequential"))) == untimed(of_log())


def test_another_seed_is_another_run() -> None:
    other = SMALL.model_copy(update={"seed": 7})
    assert untimed(of_log()) != untimed(evaluate(LOG, Rules("prequential"), other, k=20, progress=silent))


def test_ranks_are_the_engines_own_however_the_log_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cutting at sampled queries, and asking for slates in between, changes nothing that is learned or judged."""
    engine = Engine(SMALL)
    (whole,) = batches(LOG, size=len(LOG))
    judged = engine.learn(whole, judge_all=True).fresh
    plan = Plan.of(LOG, Rules("prequential"))
    monkeypatch.setattr(running, "BATCH", 37)
    monkeypatch.setattr(running, "SLATES_AT_MOST", 50)
    cut = Engine(SMALL)
    findings = Run(plan, cut, 20, silent).run()
    assert findings.n_slates <= 50
    assert findings.ranks[:, 0].tolist() == judged.rank[plan.asked].tolist()
    of_sources = judged.rank_by_source[plan.asked, : engine.n_sources_in_use]
    assert findings.ranks[:, 2:].tolist() == of_sources.tolist()
    assert cut.digest() == engine.digest()


def test_frozen_learns_nothing_from_what_it_asks() -> None:
    plan = Plan.of(LOG, Rules("frozen"))
    engine, trained = Engine(SMALL), Engine(SMALL)
    Run(plan, engine, 20, silent).run()
    for batch in batches(plan.log.head(plan.n_first), size=1000):
        trained.learn(batch)
    assert engine.state.counters.tolist() == trained.state.counters.tolist()
    for part in ("popularity", "transitions", "neighbours", "item_neighbours", "factors", "ranker"):
        got, expected = getattr(engine.state, part), getattr(trained.state, part)
        for name in got._fields:
            if name not in (
                "items",
                "users",
                "item_squares",
            ):  # factors of items and users new in the test split
                assert np.array_equal(getattr(got, name), getattr(expected, name)), f"{part}.{name}"


def test_frozen_a_target_that_was_not_in_training_is_a_miss_though_the_user_has_had_it() -> None:
    train = [(f"s{n // 3}", f"i{n % 5}", float(n)) for n in range(60)]
    test = [("t", "new", 100.0), ("t", "new", 101.0), ("t", "new", 102.0)]
    frame = log(train + test, split=["train"] * 60 + ["test"] * 3)
    assert run(frame, Rules("frozen")).findings.ranks.tolist() == [[0] * 8] * 2
    assert run(frame, Rules("streaming")).findings.ranks[-1, 0] > 0


def test_seen_answers_take_no_part() -> None:
    stars = noise(5, 600, n_users=8, n_items=40).with_columns(value=pl.lit(5.0))
    fives = Relevant.parse("rating=5")
    plain = run(stars, Rules("prequential", relevant=fives)).flat()
    fresh = run(stars, Rules("prequential", relevant=fives, exclude_seen=True)).flat()
    assert fresh["queries"] < plain["queries"]
    assert fresh["blind_worse"] == 0
    n_unseen = 40 - 20  # of 40 items a user has had half, on average over the queries
    assert fresh["hr@20"] == pytest.approx(20 / n_unseen, abs=0.25)
    assert fresh["hr@20"] > plain["hr@20"]


def test_the_engine_knows_what_the_log_knows_of_who_has_had_what() -> None:
    stars = noise(5, 300, n_users=4, n_items=40).with_columns(value=pl.lit(5.0))
    fives = Relevant.parse("rating=5")
    by_log, by_engine, by_ring = (
        run(stars, Rules("prequential", relevant=fives, exclude_seen=True, seen_by=who)).flat()  # type: ignore[arg-type]
        for who in ("log", "engine", "ring")
    )
    assert by_engine["hr@20"] == by_log["hr@20"]
    assert by_ring["hr@20"] <= by_log["hr@20"]


def test_k_is_a_cut_off_besides_the_usual_ones() -> None:
    evaluation = run(LOG, Rules("prequential"), k=7)
    assert evaluation.cut_offs == [5, 7, 10, 20]
    assert {"hr@7", "coverage@7", "neighbours_mrr@7", "hr@20"} <= evaluation.flat().keys()


def test_sessions_are_known_to_their_end() -> None:
    rest = of_log().findings.slates
    assert rest["rest_precision@20"] <= rest["rest_recall@20"] <= 1.0
    assert "rest_recall@20" not in run(noise(1, 200), Rules("prequential")).findings.slates


def test_every_feature_has_a_name_and_a_weight_in_every_context() -> None:
    weights = of_log().weights
    assert not [name for name in weights if name.startswith("feature_")]
    assert weights["next"]["1"] > 0
    assert {len(by_context) for by_context in weights.values()} == {5}


def test_progress_reaches_the_end() -> None:
    seen: list[tuple[int, int]] = []
    evaluate(LOG, Rules("frozen"), SMALL, k=5, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(LOG), len(LOG))


def test_items_of_the_log_are_learned_where_they_stand() -> None:
    learned: list[tuple[str, int]] = []

    class Watched(Engine):
        def upsert_items(self, batch: ItemBatch) -> int:
            n_events = self.position.get(TopicPartition("events", 0), 0)
            learned.extend((change.item_id, n_events) for change in batch.changes)
            return super().upsert_items(batch)

    plan = Plan.of(LOG, Rules("prequential"))
    catalogue = [
        Beside(0, Item("0", "Zero", ("even",))),
        Beside(100, Item("late", "Late")),
        Beside(101, Removed("0")),
    ]
    findings = Run(plan, Watched(SMALL), 20, silent, catalogue).run()
    assert learned == [("0", 0), ("late", 100), ("0", 101)]
    assert len(findings.ranks) == int(plan.asked.sum())


def test_a_log_in_seconds_and_in_milliseconds_gives_the_same_figures(tmp_path: Path) -> None:
    found = []
    for unit, factor in (("s", 1), ("ms", 1000)):
        rows = zip(LOG["user_id"], LOG["item_id"], LOG["ts"], strict=True)
        lines = [f"{int(1_433_221_332 + ts) * factor},{user},view,{item}," for user, item, ts in rows]
        path = tmp_path / f"{unit}.csv"
        path.write_text("timestamp,visitorid,event,itemid,transactionid\n" + "\n".join(lines))
        found.append(untimed(run(load_columns(str(path), DataSettings()), Rules("prequential"))))
    assert found[0] == found[1]
    assert found[0]["queries"] > 0  # type: ignore[operator]
