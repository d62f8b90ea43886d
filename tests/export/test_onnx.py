"""The ranker as an ONNX model scores and ranks as the engine does."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.export.onnx import FEATURES, OPSET, SCORES, SESSION, TOLERANCE, check, known_users, model_of
from stream_rec.sources.ranker import N_HIDDEN
from tests.engine.worlds import click, engine, learn, random_log


@pytest.fixture(scope="module")
def learned() -> Engine:
    e = engine()
    learn(e, random_log(5, 2000, users=60, items=50))
    return e


def test_scores_and_order_are_the_engines(learned: Engine) -> None:
    users = known_users(learned, 1000)
    assert len(users) > 40
    checked = check(model_of(learned), learned, [*users, "nobody"])
    assert checked.queries == len(users) + 1
    assert checked.candidates > 20 * len(users)
    assert 0 < checked.largest < TOLERANCE
    assert checked.other_orders == 0


def test_the_hidden_units_and_the_context_count(learned: Engine) -> None:
    assert np.all(learned.state.ranker.out != 0)
    e = engine()
    for n in range(9):  # sessions of every length that the contexts tell apart
        click(e, *((f"u{n}", f"i{i}", 1000.0 + i) for i in range(n)))
    random = np.random.default_rng(3)
    for array in (e.state.ranker.out, e.state.ranker.bias, e.state.ranker.hidden):
        array[:] = random.normal(size=array.shape)
    checked = check(model_of(e), e, [f"u{n}" for n in range(9)])
    assert checked.largest < TOLERANCE
    assert checked.other_orders == 0


def test_a_model_that_scores_otherwise_is_found_out(learned: Engine) -> None:
    model = onnx.load_from_string(model_of(learned))
    linear = next(tensor for tensor in model.graph.initializer if tensor.name == "linear")
    weights = onnx.numpy_helper.to_array(linear)
    linear.CopyFrom(onnx.numpy_helper.from_array(-weights, "linear"))
    checked = check(model.SerializeToString(), learned, known_users(learned, 20))
    assert checked.largest > TOLERANCE
    assert checked.other_orders > 0


def test_the_model_says_what_goes_in_and_what_comes_out(learned: Engine) -> None:
    model = onnx.load_from_string(model_of(learned))
    assert [each.name for each in model.graph.input] == [FEATURES, SESSION]
    assert [each.name for each in model.graph.output] == [SCORES]
    assert [(each.domain, each.version) for each in model.opset_import] == [("", OPSET)]
    told = {each.key: each.value for each in model.metadata_props}
    names = json.loads(told["features"])
    assert names[0] == "after"
    assert len(names) == learned.state.ranker.hidden.shape[1]
    assert int(told["n_learned"]) == learned.n_learned
    assert learned.state.ranker.hidden.shape[0] == N_HIDDEN
