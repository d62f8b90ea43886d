"""A small shop with rules, drawn at random, that knows what may be shown: the oracle of `bench steer`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from stream_rec.schemas.decisions import SCENARIO
from stream_rec.schemas.records import Control, Interaction, Item
from stream_rec.schemas.scenario import (
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

N_ITEMS, N_USERS = 60, 16
SCENARIOS = ("s0", "s1", "s2", "s3")
LOGICS = (
    *("personal", "personal", "personal", "similar", "popular", "trending", "new"),
    *("recently_viewed", "buy_again", "bought_together", "leaderboard"),
)
Allows = Callable[[Item], bool]
FILTERS: tuple[tuple[str, Allows], ...] = (
    ("", lambda _: True),
    ("price < 50.0", lambda item: item.price is not None and item.price < 50.0),
    ("owner != 'o1'", lambda item: item.owner != "o1"),
    ("'t1' in tags || 't2' in tags", lambda item: bool({"t1", "t2"} & set(item.tags))),
    ("colour == 'red'", lambda item: (item.attributes or {}).get("colour") == "red"),
    ("price > 1000.0", lambda _: False),
)


class Change(NamedTuple):
    """A record of the catalogue; None = the item is removed."""

    item_id: str
    item: Item | None


class ShopWithRules:
    """Draws changes, and remembers what holds after them.

    Args:
        seed: of everything.

    Attributes:
        items, users: their ids; the last user never acts.
        scenarios: those that were decided, by name.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.items = [f"i{n}" for n in range(N_ITEMS)]
        self.users = [f"u{n}" for n in range(N_USERS)]
        self.scenarios: dict[str, Scenario] = {}
        self._catalogue: dict[str, Item | None] = {}
        self._allows: dict[str, Allows] = {}

    def everything(self, now: float) -> Iterator[Change]:
        """A record for each item."""
        for item in self.items:
            yield self._change(item, now)

    def changes(self, n: int, now: float) -> Iterator[Change]:
        """Records of the catalogue."""
        for _ in range(n):
            yield self._change(self.any(self.items), now)

    def events(self, n: int, now: float) -> list[Interaction]:
        """What people do; the last user does nothing."""
        popular = self._rng.zipf(1.4, size=n) % N_ITEMS
        users = self._rng.integers(N_USERS - 1, size=n)
        return [
            Interaction(self.users[user], self.items[item], "view", now + 1e-3 * at)
            for at, (user, item) in enumerate(zip(users.tolist(), popular.tolist(), strict=True))
        ]

    def decisions(self, n: int, now: float) -> list[Control]:
        """Scenarios come, or change."""
        found = []
        for name in self._rng.choice(SCENARIOS, size=n, replace=False).tolist():
            self._decide(name)
            found.append(Control(SCENARIO, name, now, msgspec.to_builtins(self.scenarios[name])))
        return found

    def any(self, among: list[str] | tuple[str, ...]) -> str:
        """One of them."""
        return str(self._rng.choice(among))

    def may_be_shown(self, item_id: str, now: float, scenario: str | None = None) -> bool:
        """By all that was drawn; to anybody, or in a scenario."""
        item = self._catalogue.get(item_id)
        if item is None or not item.available or item.hidden:
            return False
        opens, closes = item.available_from, item.available_until
        if (opens is not None and opens > now) or (closes is not None and closes <= now):
            return False
        allows = self._allows.get(scenario or "")
        return allows is None or allows(item)

    def _change(self, item_id: str, now: float) -> Change:
        rng = self._rng
        if rng.random() < 0.1:
            self._catalogue[item_id] = None
            return Change(item_id, None)
        given: dict[str, Any] = {"price": float(rng.uniform(0, 100))} if rng.random() < 0.9 else {}
        if rng.random() < 0.15:
            given["available_from"] = now + float(rng.choice([-1000.0, 5000.0]))
        if rng.random() < 0.15:
            # Behind its beginning, or the publisher refuses it.
            opens = given.get("available_from", now - 1500.0)
            given["available_until"] = opens + float(rng.choice([500.0, 6500.0]))
        item = Item(
            item_id,
            tags=tuple(f"t{t}" for t in rng.integers(5, size=2)),
            owner=f"o{rng.integers(4)}",
            available=bool(rng.random() < 0.93),
            hidden=bool(rng.random() < 0.07),
            attributes={"colour": str(rng.choice(["red", "blue"]))},
            **given,
        )
        self._catalogue[item_id] = item
        return Change(item_id, item)

    def _decide(self, name: str) -> None:
        rng = self._rng
        text, allows = FILTERS[rng.integers(len(FILTERS))]
        hidden = tuple({self.any(self.items) for _ in range(3)})
        whole = bool(rng.random() < 0.5)
        logic = self.any(LOGICS)
        self.scenarios[name] = Scenario(
            logic=logic,
            k=int(rng.integers(2, 12)),
            order_by="price" if logic == "leaderboard" else "",
            filter=text,
            hides=(Hide(hidden),) if whole else (Hide(hidden, slots=(1,)),),
            boosts=(Boost("price > 20.0", 3.0),) if rng.random() < 0.5 else (),
            caps=(Cap("owner", 2, 4, "soft" if rng.random() < 0.5 else "hard"),)
            if rng.random() < 0.5
            else (),
            pins=(Pin(self.any(self.items), 1),) if rng.random() < 0.5 else (),
            promotions=self._promotions(),
            diversity=Diversity(over=self.any(("tags", "vectors"))) if rng.random() < 0.3 else None,
            rotation=Rotation() if rng.random() < 0.3 else None,
            exploration=Exploration(0.3, "all") if rng.random() < 0.3 else None,
            leave_out_seen="all" if rng.random() < 0.5 else "none",
            replacement=float(rng.choice([0.0, 0.5])),
            strict=bool(rng.random() < 0.3),
            fallbacks=("popular", "new") if rng.random() < 0.7 else (),
        )
        self._allows[name] = lambda item: allows(item) and not (whole and item.item_id in hidden)

    def _promotions(self) -> tuple[Promotion, ...]:
        if self._rng.random() < 0.5:
            return ()
        return (
            Promotion(items=(self.any(self.items),), share=0.3, impressions=int(self._rng.integers(100))),
        )
