"""An ONNX model that re-ranks: what it may ask for, what it must answer, and one run of it (docs/onnx.md).

Needs the extra `stream-rec[onnx]`; nothing of it is imported before a scenario names a model.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError

SCORES = "scores"
_FLOATS = ("tensor(float)", "tensor(double)")
_CANDIDATES = 0
"""The dimension that must be free."""


class Candidates(NamedTuple):
    """What the engine says of the candidates of one slate.

    Attributes:
        features: float32 [candidates, features], normalised over the candidates, in the order of `export onnx`.
        scores: float32 [candidates], the ranker's.
        session_items: distinct items of the user's session.
        item_ids: gives str [candidates].
        session_ids: gives str [items of the session], the latest first.
    """

    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    session_items: int
    item_ids: Callable[[], NDArray[np.object_]]
    session_ids: Callable[[], NDArray[np.object_]]


class _Input(NamedTuple):
    type: str
    dimensions: int
    of_candidates: bool
    value: Callable[[Candidates], NDArray[Any]]


INPUTS = {
    "features": _Input("tensor(float)", 2, True, lambda given: given.features),
    "scores": _Input("tensor(float)", 1, True, lambda given: given.scores),
    "session_items": _Input("tensor(int64)", 1, False, lambda given: np.array([given.session_items])),
    "item_ids": _Input("tensor(string)", 1, True, lambda given: given.item_ids()),
    "session_ids": _Input("tensor(string)", 1, False, lambda given: given.session_ids()),
}
"""By name: what a model may ask for."""


class BadModel(ConfigError):
    """A model that cannot re-rank: export it again as the message says, and name the new file in the scenario."""


class BadAnswer(BadModel):
    """A run did not give one finite score for each candidate."""


class Model:
    """A model that is loaded. Any thread; a run is the runtime's, without the GIL.

    Args:
        data: the file.
        threads: that it computes with.

    Attributes:
        inputs: what it asks for.
        output: the name of its scores.

    Raises:
        ConfigError: onnxruntime is missing.
        BadModel: it is no model, or asks for what there is not, or does not answer with scores.
    """

    def __init__(self, data: bytes, threads: int) -> None:
        self._runtime = _onnxruntime()
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # what is wrong is raised as well
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = self._runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BadModel(f"onnxruntime cannot load it: {error}", fix="export the model again") from error
        self.inputs = tuple(
            _checked(given.name, given.type, given.shape) for given in self._session.get_inputs()
        )
        if not any(INPUTS[name].of_candidates for name in self.inputs):
            raise BadModel(
                "no input of it is of the candidates", fix=f"ask for one of {_names(of_candidates=True)}"
            )
        self._n_features = _fixed(self._session.get_inputs(), "features", 1)
        self.output = _output(self._session.get_outputs())

    def feed(self, candidates: Candidates) -> dict[str, NDArray[Any]]:
        """What a run is given: arrays of its own.

        Raises:
            BadModel: the engine has another number of features.
        """
        n_features = candidates.features.shape[1]
        if self._n_features not in (None, n_features):
            raise BadModel(
                f"it takes {self._n_features} features, and the engine has {n_features}",
                fix="train it on what this release exports: stream-rec export onnx",
            )
        return {name: np.array(INPUTS[name].value(candidates), order="C") for name in self.inputs}

    def options(self) -> Any:
        """Of one run: `terminate = True` ends it between two of the model's steps."""
        return self._runtime.RunOptions()

    def run(self, feed: dict[str, NDArray[Any]], n: int, options: Any) -> NDArray[np.float64]:
        """Float64 [n], a score for each candidate, the higher the better.

        Raises:
            BadAnswer: the run failed, or its scores are too few, too many or not finite.
        """
        try:
            (found,) = self._session.run([self.output], feed, options)
        except Exception as error:
            raise BadAnswer(
                f"a run failed: {error}", fix="try it with what it is given: docs/onnx.md"
            ) from error
        if found.shape not in ((n,), (n, 1)):
            raise BadAnswer(
                f"its scores have the shape {list(found.shape)}, and there are {n} candidates",
                fix="answer with one score for each candidate",
            )
        scores: NDArray[np.float64] = found.reshape(n).astype(np.float64)
        if not np.isfinite(scores).all():
            bad = int(np.count_nonzero(~np.isfinite(scores)))
            raise BadAnswer(
                f"{bad} of {n} scores are not finite", fix="look for a division or a logarithm in it"
            )
        return scores


def _onnxruntime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError(f"onnxruntime is missing: {error}", fix="pip install 'stream-rec[onnx]'") from error


def _names(*, of_candidates: bool = False) -> str:
    return ", ".join(name for name, each in INPUTS.items() if each.of_candidates or not of_candidates)


def _checked(name: str, kind: str, shape: Sequence[Any]) -> str:
    """The name of an input that there is."""
    known = INPUTS.get(name)
    if known is None:
        raise BadModel(f"no input is called {name!r}", fix=f"there are {_names()}")
    if kind != known.type:
        raise BadModel(f"its input {name} is a {kind}", fix=f"it is a {known.type}")
    if len(shape) != known.dimensions:
        raise BadModel(
            f"its input {name} has the shape {list(shape)}", fix=f"it has {known.dimensions} dimensions"
        )
    if known.of_candidates and isinstance(shape[_CANDIDATES], int):
        raise BadModel(
            f"its input {name} is of {shape[_CANDIDATES]} candidates",
            fix="export it with a free first dimension",
        )
    return name


def _fixed(inputs: Sequence[Any], name: str, dimension: int) -> int | None:
    for each in inputs:
        if each.name == name and isinstance(each.shape[dimension], int):
            return int(each.shape[dimension])
    return None


def _output(outputs: Sequence[Any]) -> str:
    names = [each.name for each in outputs]
    if SCORES not in names and len(names) > 1:
        raise BadModel(f"its outputs are {', '.join(names)}", fix=f"call the one that ranks {SCORES}")
    found = outputs[names.index(SCORES)] if SCORES in names else outputs[0]
    if found.type not in _FLOATS:
        raise BadModel(f"its output {found.name} is a {found.type}", fix=f"it is a {_FLOATS[0]}")
    return str(found.name)
