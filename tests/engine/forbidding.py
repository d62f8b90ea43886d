"""A shop with rules, drawn at random, and what none of its paths may ever show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import rows_of
from stream_rec.engine.results import Ranked
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import (
    LOGICS,
    SPACE_PREFIX,
    Boost,
    Cap,
    Diversity,
    Exploration,
    Hide,
    Pin,
    Promotion,
    Rotation,
    Scenario,
)
from stream_rec.sources.features import SWITCHES
from tests.engine.worlds import SMALL_MEASURE, change, click, decide, engine, learn_vectors, show

ITEMS, USERS = [f"i{n}" for n in range(40)], [f"u{n}" for n in range(8)]
OWN_LISTS = ("recently_viewed", "buy_again")
"""Logics that show what the user has had."""
SPACES = ("vectors:text", "vectors:content")
Allows = Callable[[Item], bool]
FILTERS: list[tuple[str, Allows]] = [
    ("", lambda _: True),
    ("price < 50.0", lambda item: item.price is not None and item.price < 50.0),
    ("owner != 'o1'", lambda item: item.owner != "o1"),
    ("'t1' in tags || 't2' in tags", lambda item: bool({"t1", "t2"} & set(item.tags))),
    ("colour == 'red'", lambda item: (item.attributes or {}).get("colour") == "red"),
    ("price > 1000.0", lambda _: False),
    ("price <", lambda _: False),
]
Said = Callable[[Engine], object]
"""A record of the log, as an engine learns it."""


class World:
    """An engine, and what its catalogue and its rules say."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        few = self.rng.random() < 0.3
        self.engine = engine(
            max_items=32 if few else 64,
            sources=self.some_sources(),
            catalogue="required",
            history_length=8,
            train_sample=0.2,
        )
        self.catalogue: dict[str, Item | None] = {}
        self.scenarios: dict[str, Scenario] = {}
        self.allowed: dict[str, Allows] = {}
        self.now = 1_000_000.0
        self._log: list[Said] = []
        self._snapshot = self._taken()

    def some_sources(self) -> tuple[str, ...]:
        """Any subset of them but none."""
        return tuple(name for name in SWITCHES if self.rng.random() < 0.7) or SWITCHES

    def step(self) -> None:
        """Events, catalogue, vectors, impressions, a decision, a snapshot, or a restart from the last one."""
        what = self.rng.random()
        if what < 0.55:
            self.now += float(self.rng.choice([1.0, 60.0, 4000.0]))
            rows = [(self.any(USERS), self.any(ITEMS), self.now) for _ in range(4)]
            self._learn(lambda e: click(e, *rows))
        elif what < 0.63:
            given = [("text", self.any(ITEMS), self.vector()) for _ in range(4)]
            self._learn(lambda e: learn_vectors(e, *given))
        elif what < 0.8:
            changes = {self.any(ITEMS): self.record() for _ in range(3)}
            records = {item: Item(item, **given) if given else None for item, given in changes.items()}
            self._learn(lambda e: change(e, *[record or item for item, record in records.items()]))
            self.catalogue |= records
        elif what < 0.88:
            user, items, now = self.any(USERS), [self.any(ITEMS) for _ in range(5)], self.now
            self._learn(lambda e: show(e, user, items, now, times=3))
        elif what < 0.96:
            self.rule()
        elif what < 0.98:
            self._snapshot, self._log = self._taken(), []
        else:
            self.restart()

    def _learn(self, said: Said) -> None:
        said(self.engine)
        self._log.append(said)

    def _taken(self) -> tuple[dict[str, Any], dict[Any, int]]:
        held = self.engine.snapshot()
        return {name: array.copy() for name, array in held.items()}, dict(self.engine.position)

    def restart(self) -> None:
        """Another engine, from the last snapshot, with other sources, learns what came after it."""
        settings = self.engine.settings.model_copy(update={"sources": self.some_sources()})
        self.engine = Engine(settings, SMALL_MEASURE)
        arrays, position = self._snapshot
        if position:
            self.engine.restore(arrays, position)
        decide(self.engine, self.scenarios)
        for said in self._log:
            said(self.engine)
        self.check()  # before anything is compiled

    def any(self, among: Sequence[str]) -> str:
        """One of them."""
        return str(self.rng.choice(among))

    def vector(self) -> list[float] | None:
        """An item's vector from now on; None = it is removed."""
        return self.rng.normal(size=3).tolist() if self.rng.random() < 0.8 else None

    def record(self) -> dict[str, Any] | None:
        """What the catalogue says of an item from now on; None = it is removed."""
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
        self.scenarios[name] = Scenario(
            logic=self.any(["personal", *LOGICS, *SPACES]),
            k=int(rng.integers(1, 12)),
            order_by=self.any(["price", "-first_seen"]),
            filter=text,
            hides=(Hide(hidden),) if rng.random() < 0.5 else (Hide(hidden, slots=(1,)),),
            boosts=(Boost("price > 20.0", 3.0),) if rng.random() < 0.5 else (),
            caps=(Cap("owner", 2, 4),) if rng.random() < 0.5 else (),
            pins=(Pin(self.any(ITEMS), 1),) if rng.random() < 0.5 else (),
            promotions=(Promotion(items=(self.any(ITEMS),), share=0.3),) if rng.random() < 0.5 else (),
            diversity=Diversity(over=self.any(["tags", "vectors", "vectors:text"]))
            if rng.random() < 0.3
            else None,
            min_relevance=float(rng.choice([0.0, 0.0, 0.3])),
            rotation=Rotation(after=1) if rng.random() < 0.5 else None,
            exploration=self.exploration(),
            leave_out_seen="all" if rng.random() < 0.5 else "none",
            replacement=float(rng.choice([0.0, 0.5])),
            strict=bool(rng.random() < 0.3),
            item_ttl_seconds=float(rng.choice([0.0, 0.0, 20_000.0])),
            fallbacks=("popular", "vectors:text", "new") if rng.random() < 0.7 else (),
        )
        whole = bool(self.scenarios[name].hides[0].slots == ())
        self.allowed[name] = lambda item: allowed(item) and not (whole and item.item_id in hidden)
        decide(self.engine, self.scenarios)

    def exploration(self) -> Exploration | None:
        """Any, or none."""
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
        """Nothing forbidden is on any path; how many items slates held."""
        e = self.engine
        similar = {item: e.similar(item, 10).items for item in ITEMS[:5]}
        assert not [item for item, found in similar.items() if item in found]
        listed = [e.popular(20), e.trending(20), e.new(20)]
        listed += [e.near(space.removeprefix(SPACE_PREFIX), ITEMS[:3], 10) for space in SPACES]
        listed += [found for tag in e.categories(4) for found in e.of_category(tag, 10).values()]
        for items in (*similar.values(), *(found.items for found in listed)):
            assert not [item for item in items if self.forbidden(item)]
        return sum(self._check_slates(name) for name in self.scenarios)

    def _check_slates(self, name: str) -> int:
        users, scenario = [*USERS, "unknown"], self.scenarios[name]
        ranked = self.engine.recommend(users, scenario=name)
        for slate in ranked.items:
            assert len(slate) == len(set(slate)) <= scenario.k
            for item in slate:
                assert not self.forbidden(item), (name, item)
                assert self.allowed[name](self.catalogue[item]), (name, scenario, item)  # type: ignore[arg-type]
                assert not self._is_too_old(item, scenario.item_ttl_seconds)
        if len(scenario.hides) and scenario.hides[0].slots:
            assert not {slate[0] for slate in ranked.items if slate} & set(scenario.hides[0].items)
        if scenario.leave_out_seen == "all" and scenario.logic not in OWN_LISTS:
            self._check_seen(users, ranked, {pin.item for pin in scenario.pins})
        return sum(map(len, ranked.items))

    def _check_seen(self, users: list[str], ranked: Ranked, pinned: set[str]) -> None:
        for user, slate, relaxed in zip(users, ranked.items, ranked.relaxed, strict=True):
            assert relaxed or not (set(slate) - pinned).intersection(self.engine.had(user))

    def _is_too_old(self, item: str, ttl: float) -> bool:
        row = int(rows_of(self.engine.state.items, IdColumn.of([item]))[0])
        return ttl > 0 and self.engine.event_time - float(self.engine.state.first_seen[row]) > ttl
