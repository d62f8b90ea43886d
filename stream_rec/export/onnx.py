"""The ranker as an ONNX model: features and the session's length in, scores out.

    score(f) = linear . f + sum over k of out[k] * max(0, hidden[k] . f + bias[context, k])

as in `stream_rec.sources.ranker`. What the model does not hold are the candidates, their features and the rules: they
are the engine's. Needs the extra `stream-rec[onnx]`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.explain import feature_name
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of
from stream_rec.errors import ConfigError
from stream_rec.sources.ranker import context_of

OPSET = 17
"""Of ONNX' own operators: every runtime since 2022 has it."""
_IR_VERSION = 8
FEATURES, SESSION, SCORES = "features", "session_items", "scores"
"""Names of the inputs and the output."""
TOLERANCE = 1e-4
"""Of scores, by sums in another order."""
_SESSIONS = 7
"""Sessions of this many items and more are of the same context."""


class Checked(NamedTuple):
    """How the model's scores agree with the engine's.

    Attributes:
        queries: that were compared.
        candidates: of all of them.
        largest: difference of two scores.
        other_orders: queries whose candidates the model ranks otherwise; those whose scores differ by no more than
            rounding may stand either way.
    """

    queries: int
    candidates: int
    largest: float
    other_orders: int


def feature_names(engine: Engine) -> list[str]:
    """Names of the columns of `features`, in order."""
    return [feature_name(engine, j) for j in range(len(engine.state.ranker.linear))]


def model_of(engine: Engine) -> bytes:
    """The ranker as it is now.

    Inputs: `features` float32 [candidates, features], in the order of the metadata's `features`; `session_items`
    int64 [1], distinct items of the user's session. Output: `scores` float32 [candidates]. The metadata also has
    `n_learned` and the opset is `OPSET`.

    Raises:
        ConfigError: the package onnx is missing.
    """
    onnx = _imported("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    ranker = engine.state.ranker
    contexts = np.array([context_of(n) for n in range(_SESSIONS)], np.int64)
    weights = {
        "linear": ranker.linear[:, None],
        "hidden": np.ascontiguousarray(ranker.hidden.T),
        "bias": ranker.bias,
        "out": ranker.out[:, None],
        "contexts": contexts,
        "longest": np.array([_SESSIONS - 1], np.int64),
        "last": np.array([1], np.int64),
    }
    steps = [
        ("MatMul", [FEATURES, "linear"], "straight"),
        ("Min", [SESSION, "longest"], "length"),
        ("Gather", ["contexts", "length"], "context"),
        ("Gather", ["bias", "context"], "shift"),
        ("MatMul", [FEATURES, "hidden"], "inputs"),
        ("Add", ["inputs", "shift"], "shifted"),
        ("Relu", ["shifted"], "units"),
        ("MatMul", ["units", "out"], "bent"),
        ("Add", ["straight", "bent"], "column"),
        ("Squeeze", ["column", "last"], SCORES),
    ]
    tensor = helper.make_tensor_value_info
    kinds = onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node(kind, given, [made]) for kind, given, made in steps],
        "ranker",
        [
            tensor(FEATURES, kinds.FLOAT, ["candidates", len(ranker.linear)]),
            tensor(SESSION, kinds.INT64, [1]),
        ],
        [tensor(SCORES, kinds.FLOAT, ["candidates"])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="stream_rec",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    told = {"features": json.dumps(feature_names(engine)), "n_learned": str(engine.n_learned)}
    helper.set_model_props(model, told)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def known_users(engine: Engine, most: int) -> list[str]:
    """Ids of users that the engine knows, at most so many, evenly from all its rows."""
    users = engine.state.users
    names = (name_of(users, row) for row in np.flatnonzero(users.hashes != 0).tolist())
    ids = [name for name in names if name]
    return ids[:: max(1, -(-len(ids) // most))]


def check(model: bytes, engine: Engine, users: Sequence[str]) -> Checked:
    """Score what the engine has just ranked for these users, on one thread, and compare.

    Raises:
        ConfigError: the package onnxruntime is missing.
    """
    runtime = _imported("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    largest, candidates, other = 0.0, 0, 0
    for user in users:
        engine.recommend([user])
        query = engine.held.query  # as ranking the only user has left it
        n = int(query.n_candidates[0])
        features = np.ascontiguousarray(query.features[:, :n].T)
        (scores,) = session.run([SCORES], {FEATURES: features, SESSION: query.n_session.astype(np.int64)})
        ours = query.scores[:n]
        candidates += n
        off = float(np.max(np.abs(scores - ours), initial=0.0))
        largest = max(largest, off)
        other += not _same_order(ours, scores, min(off, TOLERANCE))
    return Checked(len(users), candidates, largest, other)


def _same_order(ours: NDArray[np.float32], theirs: NDArray[np.float32], off: float) -> bool:
    """Do both rank alike, but for candidates that the engine itself holds within twice `off` of each other?"""
    there = ours[np.argsort(-theirs, kind="stable")]
    return bool(np.all(np.diff(there) <= 2 * off))


def _imported(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{name} is missing: {error}", fix="pip install 'stream-rec[onnx]'") from error
