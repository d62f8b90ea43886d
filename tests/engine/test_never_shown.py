"""What must not be shown is not shown: random rules, catalogues and events, on every path, at every moment.

`pytest tests/engine/test_never_shown.py --rule-sets 100` draws more of them; `stream-rec bench steer` does so with
Kafka, Redis and readers.
"""

from __future__ import annotations

import pytest

from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Scenario
from tests.engine.forbidding import World
from tests.engine.worlds import change, click, decide, engine


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--rule-sets")))


def test_nothing_that_is_forbidden_is_ever_shown(seed: int) -> None:
    world = World(seed)
    for _ in range(60):
        world.step()
        world.engine.compile_rules()
        world.check()
    world.restart()
    world.engine.compile_rules()
    world.check()


def test_what_is_drawn_is_shown_too() -> None:
    world, n = World(4), 0
    for _ in range(60):
        world.step()
        world.engine.compile_rules()
        n += world.check()
    assert n > 300


def test_before_new_rules_are_compiled_the_old_ones_hold() -> None:
    e = engine(catalogue="off")
    change(e, *[Item(f"i{n}", price=float(n)) for n in range(20)])
    click(e, *[("u", f"i{n}", 10.0 + n) for n in range(20)])
    decide(e, {"s": Scenario(filter="price < 10.0", k=20)})
    assert e.recommend(["u"], scenario="s").items == [[]]
    e.compile_rules()
    assert set(e.recommend(["u"], scenario="s").items[0]) == {f"i{n}" for n in range(10)}
    decide(e, {"s": Scenario(filter="price >= 10.0", k=20)})
    e.scenes.follow(e.decisions.scenarios)
    assert e.scenes.compile(3)
    assert set(e.recommend(["u"], scenario="s").items[0]) == {f"i{n}" for n in range(10)}
    e.compile_rules()
    assert set(e.recommend(["u"], scenario="s").items[0]) == {f"i{n}" for n in range(10, 20)}
