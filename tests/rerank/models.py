"""Tiny ONNX models that re-rank."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stream_rec.schemas.scenario import Rerank

BOOL, FLOAT, INT64, STRING = TensorProto.BOOL, TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
Value = tuple[str, int, list[Any]]
SCORES: Value = ("scores", FLOAT, ["candidates"])
ANSWER: Value = ("answer", FLOAT, ["candidates"])
node = helper.make_node


def model(
    inputs: Sequence[Value], nodes: Sequence[Any], output: Value = ANSWER, **constants: object
) -> bytes:
    """A graph of ONNX' own operators."""
    graph = helper.make_graph(
        nodes,
        "reranker",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*output)],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def upside_down() -> bytes:
    """What the ranker puts last comes first."""
    return model([SCORES], [node("Neg", ["scores"], ["answer"])])


def not_a_number() -> bytes:
    """0 / 0."""
    nodes = [node("Sub", ["scores", "scores"], ["zero"]), node("Div", ["zero", "zero"], ["answer"])]
    return model([SCORES], nodes)


def endless() -> bytes:
    """It turns signs around, longer than anybody would wait."""
    values = [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", INT64), ("go", BOOL))]
    body = helper.make_graph(
        [node("Identity", ["go"], ["go_on"]), node("Neg", ["kept"], ["turned"])],
        "body",
        [*values, helper.make_tensor_value_info("kept", FLOAT, ["candidates"])],
        [
            helper.make_tensor_value_info("go_on", BOOL, []),
            helper.make_tensor_value_info("turned", FLOAT, ["candidates"]),
        ],
    )
    loop = node("Loop", ["rounds", "", "scores"], ["answer"], body=body)
    return model([SCORES], [loop], rounds=np.int64(1 << 40))


def put(folder: Path, name: str, data: bytes, budget_ms: float = 1000.0) -> Rerank:
    """Write a model, and say how a scenario names it."""
    (folder / name).write_bytes(data)
    return Rerank(name, sha256(data).hexdigest(), budget_ms)
