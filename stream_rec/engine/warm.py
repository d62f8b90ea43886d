"""Compile every kernel once, so that the first event does not wait: `python -m stream_rec.engine.warm [PART ...]`.

`make kernels` compiles the parts on several cores; workers, images and `evaluate` all of them in one process, in this
order. The two differ in the last bit: the compiler inlines what it compiled itself, not what another process left in
the cache, and sums in float32 round otherwise (by 1e-7, which online learning carries to 0.1 points of a hit-rate).
So figures that are compared are made without `make kernels`, and replicas use one image.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from stream_rec.engine.engine import Engine
from stream_rec.engine.fold.learn import gather
from stream_rec.engine.vectors import N_FOUND
from stream_rec.feedback import warm as measure
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Scenario
from stream_rec.settings import EngineSettings, ScenarioSettings


def warm_up() -> None:
    """Run a few events through learning and ranking; a second once compiled, minutes before."""
    _compile(_PARTS)


def _compile(parts: Iterable[str]) -> None:
    scenarios = {"default": ScenarioSettings()}
    engine = Engine(EngineSettings(max_users=64, max_items=64, train_sample=1.0, scenarios=scenarios))
    for part in parts:
        _PARTS[part](engine)


def _gather(engine: Engine) -> None:
    nowhere = np.full(N_FOUND, -1, np.int32)
    gather(engine.held.handle, nowhere, False)


def _learn(engine: Engine) -> None:
    rows = [(f"u{i % 5}", f"i{i % 7}", float(i)) for i in range(50)]
    engine.learn(EventBatch.of(rows, event_ids=[f"{i % 35}" for i in range(50)]))


def _recommend(engine: Engine) -> None:
    engine.recommend(["u1", "unknown"])
    engine.similar("i1", 5)


def _arrange(engine: Engine) -> None:
    engine.decisions.scenarios = {"ruled": Scenario(filter="true")}
    engine.recommend(["u1", "unknown"], scenario="ruled")


def _rest(engine: Engine) -> None:
    items = [
        ItemChange(0, 0, "i1", Item("i1", ts=1.0, tags=("a",))),
        ItemChange(1, 0, "i2", None),
    ]
    engine.upsert_items(ItemBatch(Span("items", 0, 0, 0, 2), items))
    engine.forget_user("u2")
    measure.warm_up()


_PARTS: Mapping[str, Callable[[Engine], None]] = {
    "gather": _gather,
    "learn": _learn,
    "recommend": _recommend,
    "arrange": _arrange,
    "rest": _rest,
}


if __name__ == "__main__":
    _compile(sys.argv[1:] or _PARTS)
