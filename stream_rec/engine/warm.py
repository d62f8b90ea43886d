"""Compile every kernel once, so that the first event does not wait: `python -m stream_rec.engine.warm`."""

from __future__ import annotations

from schemas.batch import EventBatch
from stream_rec.engine.engine import Engine
from stream_rec.measure import warm as measure
from stream_rec.settings import EngineSettings, ScenarioSettings


def warm_up() -> None:
    """Run a few events through learning and ranking; a second once compiled, a minute or two before."""
    engine = Engine(
        EngineSettings(
            max_users=64, max_items=64, train_sample=1.0, scenarios={"default": ScenarioSettings()}
        )
    )
    engine.learn(EventBatch.of([(f"u{i % 5}", f"i{i % 7}", float(i)) for i in range(50)]))
    engine.recommend(["u1", "stranger"])
    engine.similar("i1", 5)
    measure.warm_up()


if __name__ == "__main__":
    warm_up()
