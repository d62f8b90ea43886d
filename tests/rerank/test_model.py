"""A model is told what it may ask for and must answer, in words that say what to do."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.rerank.model import BadAnswer, BadModel, Candidates, Model
from tests.rerank.models import (
    ANSWER,
    FLOAT,
    INT64,
    SCORES,
    STRING,
    Value,
    model,
    node,
    not_a_number,
    upside_down,
)

N, WIDTH = 4, 3
FEATURES: Value = ("features", FLOAT, ["candidates", WIDTH])


def candidates(width: int = WIDTH) -> Candidates:
    features = np.arange(N * width, dtype=np.float32).reshape(width, N).T
    ids = np.array([f"i{n}" for n in range(N)], object)
    return Candidates(features, np.array([3, 2, 1, 0], np.float32), 2, lambda: ids, lambda: ids[:2])


def run(data: bytes, given: Candidates | None = None) -> list[float]:
    loaded = Model(data, 1)
    found: list[float] = loaded.run(loaded.feed(given or candidates()), N, loaded.options()).tolist()
    return found


def test_it_gets_the_scores_of_the_ranker() -> None:
    assert run(upside_down()) == [-3, -2, -1, 0]


def test_it_gets_features_by_candidate_and_the_length_of_the_session() -> None:
    asks: list[Value] = [FEATURES, ("session_items", INT64, [1])]
    nodes = [
        node("ReduceSum", ["features", "axis"], ["sums"]),
        node("Cast", ["session_items"], ["length"], to=FLOAT),
        node("Mul", ["sums", "length"], ["scores"]),
    ]
    data = model(asks, nodes, ("scores", FLOAT, ["candidates", 1]), axis=np.array([1]))
    assert run(data) == (2 * candidates().features.sum(axis=1)).tolist()


def test_it_gets_ids_of_items_and_of_the_session() -> None:
    asks: list[Value] = [("item_ids", STRING, ["candidates"]), ("session_ids", STRING, ["session"])]
    nodes = [
        node("Shape", ["item_ids"], ["n"]),
        node("Shape", ["session_ids"], ["m"]),
        node("Cast", ["m"], ["length"], to=FLOAT),
        node("Expand", ["length", "n"], ["answer"]),
    ]
    data = model(asks, nodes)
    assert run(data) == [2.0] * N
    feed = Model(data, 1).feed(candidates())
    assert feed["item_ids"].tolist() == ["i0", "i1", "i2", "i3"]
    assert feed["session_ids"].tolist() == ["i0", "i1"]


def test_what_it_is_given_stays_as_it_was_when_the_engine_goes_on() -> None:
    given = candidates()
    feed = Model(upside_down(), 1).feed(given)
    given.scores[:] = 7.0
    assert feed["scores"].tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("asks", "says", "fix"),
    [
        (("user_age", FLOAT, ["candidates"]), "no input is called 'user_age'", "features, scores"),
        (("scores", INT64, ["candidates"]), r"its input scores is a tensor\(int64\)", r"tensor\(float\)"),
        (("features", FLOAT, ["candidates"]), "its input features has the shape", "2 dimensions"),
        (("features", FLOAT, [20, WIDTH]), "its input features is of 20 candidates", "free first dimension"),
        (("session_items", INT64, [1]), "no input of it is of the candidates", "features, scores, item_ids"),
    ],
)
def test_it_may_not_ask_for_what_there_is_not(asks: Value, says: str, fix: str) -> None:
    nodes = [node("Cast", [asks[0]], ["answer"], to=FLOAT)]
    with pytest.raises(BadModel, match=says) as raised:
        Model(model([asks], nodes, ("answer", FLOAT, asks[2])), 1)
    assert fix.replace("\\", "") in raised.value.fix


def test_it_must_take_as_many_features_as_the_engine_has() -> None:
    data = model(
        [FEATURES],
        [node("ReduceSum", ["features", "axis"], ["answer"])],
        ("answer", FLOAT, ["candidates", 1]),
        axis=np.array([1]),
    )
    with pytest.raises(BadModel, match="it takes 3 features, and the engine has 5"):
        Model(data, 1).feed(candidates(width=5))


def test_its_scores_must_be_finite() -> None:
    with pytest.raises(BadAnswer, match="4 of 4 scores are not finite"):
        run(not_a_number())


def test_it_must_give_one_score_for_each_candidate() -> None:
    data = model([SCORES], [node("ReduceMean", ["scores"], ["answer"])], ("answer", FLOAT, [1]))
    with pytest.raises(BadAnswer, match=r"its scores have the shape \[1\], and there are 4 candidates"):
        run(data)


def test_it_must_answer_with_numbers_under_a_name_that_is_known() -> None:
    with pytest.raises(BadModel, match="its output answer is a tensor"):
        Model(model([SCORES], [node("Cast", ["scores"], ["answer"], to=INT64)], ("answer", INT64, ["n"])), 1)
    assert ANSWER[0] != "scores"


def test_what_is_no_model_is_said() -> None:
    with pytest.raises(BadModel, match="onnxruntime cannot load it"):
        Model(b"nothing of the kind", 1)
