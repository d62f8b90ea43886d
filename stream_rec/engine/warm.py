"""Compile every kernel once, so that the first event does not wait: `python -m stream_rec.engine.warm [PART]`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from stream_rec.engine.engine import Engine
from stream_rec.feedback import warm as measure
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Scenario
from stream_rec.settings import EngineSettings, ScenarioSettings


def warm_up() -> None:
    """Run a few events through learning and ranking; a second once compiled, minutes before."""
    engine = _small()
    for part in _PARTS.values():
        part(engine)


def compile_side_by_side() -> None:
    """Compile the parts in a process each, which is as fast as the longest of them where there are as many cores.

    A part that fails there is compiled, and told, by the next `warm_up`.
    """
    command = [sys.executable, "-m", "stream_rec.engine.warm"]
    for process in [subprocess.Popen([*command, name]) for name in _PARTS]:
        process.wait()


def _small() -> Engine:
    scenarios = {"default": ScenarioSettings()}
    return Engine(EngineSettings(max_users=64, max_items=64, train_sample=1.0, scenarios=scenarios))


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
    "learn": _learn,
    "recommend": _recommend,
    "arrange": _arrange,
    "rest": _rest,
}


def _main(names: Sequence[str]) -> None:
    for name in names:
        _PARTS[name](_small())
    if not names:
        compile_side_by_side()
        warm_up()


if __name__ == "__main__":
    _main(sys.argv[1:])
