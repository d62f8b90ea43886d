"""What must not be shown is not shown: random rules, catalogues and events, on every path, at every moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import (
    LOGICS,
    Boost,
    Cap,
    Diversity,
    Exploration,
    Hide,
    Pin,
    Promotion,
    Scenario,
)
from stream_rec.sources.features import NAMES
from tests.engine.worlds import SMALL_MEASURE, change, click, decide, engine

ITEMS, USERS = [f"i{n}" for n in range(40)], [f"u{n}" for n in range(8)]
FILTERS: list[tuple[str, Callable[[Item], bool]]] = [
    ("", lambda _: True),
    ("price < 50.0", lambda item: item.price is not None and item.price < 50.0),
    ("owner != 'o1'", lambda item: item.owner != "o1"),
    ("'t1' in tags || 't2' in tags", lambda item: bool({"t1", "t2"} & set(item.tags))),
    ("colour == 'red'", lambda item: (item.attributes or {}).get("colour") == "red"),
    ("price > 1000.0", lambda _: False),
    ("price <", lambda _: False),
]


class World:
    """An engine, and what its catalogue and its rules say."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        few = self.rng.random() < 0.3
        sources = tuple(name for name in NAMES if self.rng.random() < 0.7) or NAMES
        self.engine = engine(
            max_items=32 if few else 64,
            sources=sources,
            catalogue="required",
            history_length=8,
            train_sample=0.2,
        )
        self.catalogue: dict[str, Item | None] = {}
        self.scenarios: dict[str, Scenario] = {}
        self.allowed: dict[str, Callable[[Item], bool]] = {}
        self.now = 1_000_000.0

    def step(self) -> None:
        what = self.rng.random()
        if what < 0.6:
            self.now += float(self.rng.choice([1.0, 60.0, 4000.0]))
            click(self.engine, *[(self.any(USERS), self.any(ITEMS), self.now) for _ in range(4)])
        elif what < 0.9:
            changes = {self.any(ITEMS): self.record() for _ in range(3)}
            records = {item: Item(item, **given) if given else None for item, given in changes.items()}
            change(self.engine, *[record or item for item, record in records.items()])
            self.catalogue |= records
        else:
            self.rule()

    def any(self, among: list[str]) -> str:
        return str(self.rng.choice(among))

    def record(self) -> dict[str, Any] | None:
        if self.rng.random() < 0.15:
            return None
        rng, given = self.rng, {}
        if rng.random() < 0.9:
            given["price"] = float(rng.uniform(0, 100))
        if rng.random() < 0.2:
            given["available_from"] = self.now + float(rng.choice([-1000.0, 5000.0]))
        if rng.random() < 0.2:
            given["available_until"] = self.now + float(rng.choice([-1000.0, 5000.0]))
        return given | {
            "tags": tuple(f"t{t}" for t in rng.integers(5, size=2)),
            "owner": f"o{rng.integers(4)}",
            "available": bool(rng.random() < 0.9),
            "hidden": bool(rng.random() < 0.1),
            "attributes": {"colour": str(rng.choice(["red", "blue"]))},
        }

    def rule(self) -> None:
        """A scenario comes, or changes."""
        rng, name = self.rng, f"s{self.rng.integers(4)}"
        text, allowed = FILTERS[rng.integers(len(FILTERS))]
        hidden = tuple({self.any(ITEMS) for _ in range(3)})
        logics = [logic for logic in LOGICS if logic != "leaderboard"]
        logic = self.any(["personal", *logics])
        self.scenarios[name] = Scenario(
            logic=logic,
            k=int(rng.integers(1, 12)),
            filter=text,
            hides=(Hide(hidden),) if rng.random() < 0.5 else (Hide(hidden, slots=(1,)),),
            boosts=(Boost("price > 20.0", 3.0),) if rng.random() < 0.5 else (),
            caps=(Cap("owner", 2, 4),) if rng.random() < 0.5 else (),
            pins=(Pin(self.any(ITEMS), 1),) if rng.random() < 0.5 else (),
            promotions=(Promotion(items=(self.any(ITEMS),), share=0.3),) if rng.random() < 0.5 else (),
            diversity=Diversity(over="tags") if rng.random() < 0.3 else None,
            exploration=self.exploration(),
            leave_out_seen="all" if rng.random() < 0.5 else "none",
            replacement=float(rng.choice([0.0, 0.5])),
            strict=bool(rng.random() < 0.3),
            fallbacks=("popular", "new") if rng.random() < 0.7 else (),
        )
        whole = bool(self.scenarios[name].hides[0].slots == ())
        self.allowed[name] = lambda item: allowed(item) and not (whole and item.item_id in hidden)
        decide(self.engine, self.scenarios)

    def exploration(self) -> Exploration | None:
        wanted: list[Exploration | None] = [
            None,
            Exploration(0.5),
            Exploration(0.5, "new"),
            Exploration(0.5, "all"),
        ]
        return wanted[self.rng.integers(4)]

    def forbidden(self, item_id: str) -> bool:
        """To everybody, whatever the rules."""
        item = self.catalogue.get(item_id)
        if item is None or not item.available or item.hidden:
            return True
        now = self.engine.event_time
        opens, closes = item.available_from, item.available_until
        return (opens is not None and opens > now) or (closes is not None and closes <= now)

    def check(self) -> int:
        e, n = self.engine, 0
        listed = [e.popular(20), e.trending(20), e.new(20), *(e.similar(item, 10) for item in ITEMS[:5])]
        for found in listed:
            assert not [item for item in found.items if self.forbidden(item)]
        for name, scenario in self.scenarios.items():
            ranked = e.recommend([*USERS, "unknown"], scenario=name)
            for slate in ranked.items:
                n += len(slate)
                assert len(slate) == len(set(slate)) <= scenario.k
                for item in slate:
                    assert not self.forbidden(item), (name, item)
                    assert self.allowed[name](self.catalogue[item]), (name, scenario, item)  # type: ignore[arg-type]
            if len(scenario.hides) and scenario.hides[0].slots:
                assert not {slate[0] for slate in ranked.items if slate} & set(scenario.hides[0].items)
        return n


@pytest.mark.parametrize("seed", range(100))
def test_nothing_that_is_forbidden_is_ever_shown(seed: int) -> None:
    world = World(seed)
    for _ in range(60):
        world.step()
        world.engine.compile_rules()
        world.check()


def test_a_restart_from_a_snapshot_changes_nothing() -> None:
    world = World(7)
    for _ in range(60):
        world.step()
    before = world.engine
    world.engine = Engine(before.settings, SMALL_MEASURE)
    world.engine.restore({name: array.copy() for name, array in before.snapshot().items()}, before.position)
    decide(world.engine, world.scenarios)
    world.check()
    world.engine.compile_rules()
    assert world.check() > 0


def test_before_new_rules_are_compiled_the_old_ones_hold() -> None:
    e = engine(catalogue="off")
    change(e, *[Item(f"i{n}", price=float(n)) for n in range(20)])
    click(e, *[("u", f"i{n}", 10.0 + n) for n in range(20)])
    decide(e, {"s": Scenario(filter="price < 10.0", k=20)})
    assert e.recommend(["u"], scenario="s").items == [[]]
    e.compile_rules()
    assert set(e.recommend(["u"], scenario="s").items[0]) == {f"i{n}" for n in range(10)}
    decide(e, {"s": Scenario(filter="price >= 10.0", k=20)})
    e.compile_rules(3)
    assert set(e.recommend(["u"], scenario="s").items[0]) == {f"i{n}" for n in range(10)}
    e.compile_rules()
    assert set(e.recommend(["u"], scenario="s").items[0]) == {f"i{n}" for n in range(10, 20)}
