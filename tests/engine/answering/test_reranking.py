"""A model of the shop's own orders the candidates; rules hold all the same, and nothing is learned of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stream_rec.clock import SystemClock
from stream_rec.engine.answering.explain import explain
from stream_rec.engine.answering.reranking import strictly_descending
from stream_rec.engine.engine import Engine
from stream_rec.export.onnx import model_of
from stream_rec.rerank.rerankers import Rerankers
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Boost, Cap, Pin, Rerank, Scenario
from stream_rec.settings import RerankSettings
from tests.engine.worlds import change, click, decide, engine
from tests.rerank.models import not_a_number, put, upside_down

N, K = 30, 10


@pytest.fixture(scope="module")
def shop() -> Engine:
    """Users of 30 items of three owners."""
    e = engine(catalogue="off", train_sample=0.0)
    change(e, *[Item(f"i{n}", owner=f"o{n % 3}", price=float(n)) for n in range(N)])
    rng = np.random.default_rng(3)
    click(e, *[(f"u{rng.integers(6)}", f"i{int(rng.random() ** 2 * N)}", 10.0 * at) for at in range(200)])
    return e


@pytest.fixture
def e(shop: Engine, tmp_path: Path) -> Engine:
    """The same, with models in a folder of this test's."""
    shop.reranking.use(Rerankers(RerankSettings(url=str(tmp_path)), SystemClock(), waits=True))
    return shop


def slates(e: Engine, scenario: Scenario, *users: str) -> list[list[str]]:
    decide(e, {"s": scenario})
    e.compile_rules()
    return e.recommend(users or ["u1"], scenario="s").items


def by_rank(e: Engine, k: int = N) -> list[str]:
    return slates(e, Scenario(k=k, filter="true", leave_out_seen="none"))[0]


def test_a_slate_stands_in_the_order_of_the_model(e: Engine, tmp_path: Path) -> None:
    plain = by_rank(e)
    ours = Scenario(k=N, rerank=put(tmp_path, "m.onnx", upside_down()))
    (turned,) = slates(e, ours)
    last = plain[0]  # the item of the user's last event does not lead, wherever the model puts it
    assert [each for each in turned if each != last][:K] == [
        each for each in reversed(plain) if each != last
    ][:K]
    assert sorted(turned) == sorted(plain)
    assert e.stats()["rerank_reranked"] == 1


def test_the_exported_ranker_ranks_as_the_engine_does(e: Engine, tmp_path: Path) -> None:
    users = [f"u{n}" for n in range(6)] + ["unknown"]
    plain = slates(e, Scenario(k=K, filter="true"), *users)
    again = slates(e, Scenario(k=K, rerank=put(tmp_path, "ranker.onnx", model_of(e))), *users)
    assert again == plain


def test_what_is_stored_is_what_is_answered(e: Engine, tmp_path: Path) -> None:
    users = ["u1", "u2", "unknown"]
    answered = slates(e, Scenario(k=K, rerank=put(tmp_path, "m.onnx", upside_down())), *users)
    stored = [json.loads(items) for items in e.encoded(users, scenario="s").items]
    assert [[each["item_id"] for each in slate] for slate in stored] == answered
    for slate in stored:
        scores = [each["score"] for each in slate]
        assert scores == sorted(scores, reverse=True)


def test_rules_hold_whatever_the_model_says(e: Engine, tmp_path: Path) -> None:
    rerank = put(tmp_path, "m.onnx", upside_down())
    (got,) = slates(
        e,
        Scenario(
            k=K,
            filter="price > 9.0",
            pins=(Pin("i29", 3),),
            caps=(Cap("owner", 4),),
            leave_out_seen="none",
            rerank=rerank,
        ),
    )
    numbers = [int(item[1:]) for item in got]
    assert numbers[2] == 29
    assert min(numbers) > 9
    assert max(np.bincount([n % 3 for n in numbers])) <= 4


def test_a_boost_counts_after_the_model(e: Engine, tmp_path: Path) -> None:
    rerank = put(tmp_path, "m.onnx", upside_down())
    (turned,) = slates(e, Scenario(k=N, rerank=rerank))
    last = turned[-1]
    (boosted,) = slates(e, Scenario(k=N, rerank=rerank, boosts=(Boost(f"id == '{last}'", 1000.0),)))
    assert boosted.index(last) < N // 4  # a boost adds its logarithm to the model's score


@pytest.mark.parametrize("is_there", [True, False])
def test_where_the_model_fails_the_slate_is_the_rankers(e: Engine, tmp_path: Path, is_there: bool) -> None:
    plain = by_rank(e, K)
    rerank = put(tmp_path, "nan.onnx", not_a_number())
    if not is_there:
        (tmp_path / "nan.onnx").unlink()
    e.reranking.use(Rerankers(RerankSettings(url=str(tmp_path)), SystemClock()))
    for _ in range(3):
        assert slates(e, Scenario(k=K, rerank=rerank)) == [plain]
    assert e.stats()["rerank_reranked"] == 0
    assert e.stats()["rerank_loading"] + e.stats()["rerank_failed"] == 3


def test_an_engine_by_itself_has_no_models() -> None:
    e = engine(catalogue="off", train_sample=0.0)
    click(e, ("u1", "i1", 1.0), ("u2", "i2", 2.0))
    assert slates(e, Scenario(k=K, rerank=Rerank("m.onnx", "0" * 64))) == slates(
        e, Scenario(k=K, filter="true")
    )


def test_nothing_is_learned_of_it(e: Engine, tmp_path: Path) -> None:
    before = e.digest()
    slates(e, Scenario(k=K, rerank=put(tmp_path, "m.onnx", upside_down())), "u1", "u2")
    decide(e, {})
    assert e.digest() == before


def test_what_it_adds_is_a_part_of_the_score(e: Engine, tmp_path: Path) -> None:
    (got,) = slates(e, Scenario(k=K, rerank=put(tmp_path, "m.onnx", upside_down())))
    told = explain(e, "u1", got, "s")
    ranked = dict(zip(got, e.recommend(["u1"], scenario="s").scores[0], strict=True))
    assert [each.place for each in told] == list(range(1, K + 1))
    for each in told:
        assert each.score == pytest.approx(ranked[each.item_id], abs=2e-3)
        assert sum(each.by_source.values()) == pytest.approx(each.score)
    assert any("rerank" in each.by_source for each in told)


def test_an_order_does_not_end_in_ties() -> None:
    scores = np.array([2.0, 2.0, 1.0, 0.0, 0.0, -0.0, -1.0, -1.0, -1.0], np.float32)
    lowered = strictly_descending(scores)
    assert (np.diff(lowered) < 0).all()
    assert np.abs(lowered - scores).max() < 1e-6
    assert strictly_descending(np.zeros(0, np.float32)).tolist() == []
