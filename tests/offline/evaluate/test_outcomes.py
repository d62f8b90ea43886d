"""Queries by whose they are, intervals, and two runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.offline.evaluate.compare import Comparison, compare
from stream_rec.offline.evaluate.outcomes import Outcomes, spread, write_ranks
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.rules import Rules
from stream_rec.offline.evaluate.tiers import PastTiers, tiers_of
from tests.offline.evaluate.worlds import log

K = 5


def users(n: int, each: int) -> NDArray[np.uint64]:
    return np.repeat(np.arange(n, dtype=np.uint64), each)


def written(folder: Path, name: str, rank: NDArray[np.int32], **more: Any) -> Path:
    """What `evaluate --json` leaves behind, of users with four queries each."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"k": K, **more}))
    n = len(rank)
    write_ranks(path, [Outcomes(np.arange(n), users(n // 4, 4), rank, {}).table("")])
    return path


def test_items_fall_into_head_middle_and_tail_by_their_share_of_events() -> None:
    items = ["a"] * 4 + ["b"] * 4 + ["c", "d"]
    plan = Plan.of(log([(f"u{n % 2}", item, float(n)) for n, item in enumerate(items)]), Rules("prequential"))
    assert tiers_of(plan).tolist() == [0, 1, 2, 2]
    past = PastTiers(plan, tiers_of(plan))
    assert past.before(0).tolist() == [0, 0, 0]
    assert past.before(9).tolist() == [2, 2, 0]
    assert past.before(8).tolist() == [2, 2, 0]


def test_users_are_new_for_five_events() -> None:
    plan = Plan.of(log([("u", f"i{n}", float(n)) for n in range(8)]), Rules("prequential"))
    found = Outcomes.of(plan, np.arange(1, 8), np.array([1, 1, 0, 0, 2, 2, 0], np.int32))
    figures = found.figures(K)
    assert (figures["queries_new_users"], figures["queries_returning_users"]) == (4, 3)
    assert figures["hr_new_users@5"] == 0.5
    assert figures["mrr_returning_users@5"] == pytest.approx(1 / 3)
    assert "hr_low@5" not in figures
    assert sum(figures[f"queries_{name}_items"] for name in ("head", "middle", "tail")) == 7


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(60):
        of_users = np.repeat(rng.normal(0.3, 0.2, 50), 4)  # queries of one user are alike
        low, high = spread(users(50, 4), of_users + rng.normal(0.0, 0.05, 200))
        held += low <= 0.3 <= high
    assert held >= 50  # of 57 on average


def test_many_users_are_dealt_to_groups_that_tell_as_much() -> None:
    values = (np.random.default_rng(6).random(60_000) < 0.3).astype(float)
    low, high = spread(np.arange(60_000, dtype=np.uint64), values)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.3 * 0.7 / 60_000), rel=0.15)


def test_a_difference_that_chance_may_make_is_told_from_one_that_it_may_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    rank = rng.integers(0, 9, 2000).astype(np.int32)
    worse = np.where(rng.random(2000) < 0.2, 0, rank).astype(np.int32)
    shuffled = np.where(rng.random(2000) < 0.2, rng.permutation(rank), rank).astype(np.int32)
    a, b, c = (written(tmp_path, name, each) for name, each in (("a", rank), ("b", worse), ("c", shuffled)))
    by_metric = {each.metric: each for each in compare(a, b).differences}
    for each in by_metric.values():
        assert each.word == "A is better"
        assert each.interval.low < each.value < each.interval.high < 0
        assert each.p < 1e-6
    hits = (rank > 0) & (rank <= K)
    assert by_metric["hr"].first == hits.mean()
    assert {each.word for each in compare(b, a).differences} == {"B is better"}
    assert {each.word for each in compare(a, c).differences} == {"chance may do that"}
    same = compare(a, a)
    assert {each.word for each in same.differences} == {"the same"}
    assert same.flat()["p_hr@5"] is None


def test_chance_alone_is_called_better_as_seldom_as_it_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    n_called = 0
    for _ in range(60):
        ranks = rng.integers(0, 9, (2, 400)).astype(np.int32)
        a, b = (written(tmp_path, name, each) for name, each in zip("ab", ranks, strict=True))
        n_called += compare(a, b).differences[0].p < 0.05
    assert n_called <= 8  # 3 on average


def test_few_users_say_nothing(tmp_path: Path) -> None:
    a = written(tmp_path, "a", np.ones(40, np.int32))
    b = written(tmp_path, "b", np.zeros(40, np.int32))
    found: Comparison = compare(a, b)
    assert {each.word for each in found.differences} == {"too few users"}
    assert found.flat()["low_mrr@5"] is None


def test_what_cannot_be_compared_is_said_with_a_fix(tmp_path: Path) -> None:
    a = written(tmp_path, "a", np.ones(400, np.int32))
    fewer = written(tmp_path, "fewer", np.ones(396, np.int32))
    alone = tmp_path / "alone.json"
    alone.write_text('{"k": 5}')
    longer, others = written(tmp_path, "longer", np.ones(400, np.int32), k=9), tmp_path / "others.json"
    others.write_text("[]")
    for second, says in (
        (fewer, "asked differently: 400 queries in .*, 396 in .*, 396 in both"),
        (longer, "of slates of 5, .* of 9"),
        (alone, "alone.ranks.parquet"),
        (others, "no figures of evaluate"),
        (tmp_path / "missing.json", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=says) as refused:
            compare(a, second)
        assert refused.value.fix
