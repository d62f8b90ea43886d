"""Kernels that an engine's life calls and that `warm_up` has not: `python -m tests.engine.after_warming`.

Prints their names. In a process of its own: elsewhere other tests have called them.
"""

from __future__ import annotations

import sys

from numba.core.dispatcher import Dispatcher

from stream_rec.engine.answering.at_request import AtRequest
from stream_rec.engine.warm import warm_up
from stream_rec.schemas.scenario import Boost, Cap, Diversity, Exploration, Pin, Promotion, Rotation, Scenario
from tests.engine.worlds import decide, engine, learn, random_log

SCENARIOS = {
    "ruled": Scenario(
        filter="price > 1.0",
        caps=(Cap("owner", 1, 3),),
        boosts=(Boost("price > 3.0", 2.0),),
        pins=(Pin("i1", 1),),
        promotions=(Promotion(when="price > 2.0", share=0.2),),
        diversity=Diversity(0.3),
        rotation=Rotation(),
        exploration=Exploration(0.3),
    ),
    **{
        logic: Scenario(logic=logic)
        for logic in ("recently_viewed", "buy_again", "bought_together", "trending")
    },
}


def kernels() -> dict[str, int]:
    """How often each was made ready, by name."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("stream_rec."):
            for each in vars(module).values():
                if isinstance(each, Dispatcher):
                    found[f"{each.py_func.__module__}.{each.py_func.__name__}"] = len(each.signatures)
    return found


def live() -> None:
    """A little of everything."""
    e = engine(max_users=32, max_items=40)
    learn(e, random_log(1, 3000, users=60, items=80))
    decide(e, SCENARIOS)
    e.compile_rules()
    for scenario in SCENARIOS:
        e.encoded(["u1", "u2"], scenario=scenario)
        e.recommend(["u1"], scenario=scenario)
    for listed in (e.popular, e.trending, e.new, e.categories, e.stopped):
        listed(3)
    e.similar("i1", 3)
    e.let_through(0, 10)
    e.had("u1")
    asked = AtRequest(e)
    asked.session(["i1", "i2"], "ruled", 3)
    asked.connected(["i1"], 3)
    asked.rank(["i1"], "u1", (), "ruled")
    e.held.make_room(1_000_000, 1_000_000)


def main() -> None:
    """The command."""
    warm_up()
    before = kernels()
    live()
    for name, n in sorted(kernels().items()):
        if n > before.get(name, 0):
            print(name)


if __name__ == "__main__":
    main()
