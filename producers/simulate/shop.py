"""A shop that never was: items with categories and styles, and shoppers whose hidden tastes are known to us.

Everything here is a pure function of the plan, its seed and event time; nothing is stored per user, so a
million shoppers cost nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_rec.errors import ConfigError
from stream_rec.schemas.records import Item

_MASK = (1 << 64) - 1
_DAY = 86_400.0
_N_COMPANIONS = 4
_BUSY = 0.8  # share of the shoppers who can be in the shop at a time
_SHIFT = 1 << 32  # tastes after a shift have nothing to do with those before
_OTHER_STYLE = 0.4  # an item of a liked category in another style is liked so much

_NOUNS = [
    "Lamp",
    "Jacket",
    "Kettle",
    "Backpack",
    "Chair",
    "Sneaker",
    "Teapot",
    "Scarf",
    "Desk",
    "Watch",
    "Tent",
    "Mug",
    "Guitar",
    "Sofa",
    "Bicycle",
    "Camera",
    "Pan",
    "Dress",
    "Clock",
    "Rug",
    "Novel",
    "Puzzle",
    "Knife",
    "Mirror",
]
_STYLES = ["Nordic", "Vintage", "Minimal", "Rustic", "Sporty", "Elegant", "Urban", "Playful"]
_MATERIALS = ["Oak", "Linen", "Steel", "Leather", "Wool", "Ceramic", "Cotton", "Glass", "Bamboo", "Canvas"]


@dataclass(frozen=True, slots=True)
class ShopPlan:
    """How large the shop is and how its shoppers behave.

    Attributes:
        n_users: shoppers; a few come often, most seldom.
        n_items: items of the catalogue.
        n_categories: kinds of things.
        seed: the same plan and seed give the same items, tastes and events.
        start_ts: event time of the first arrivals, in seconds.
        events_per_second: of all shoppers together, in event time, on average; at most 0.8 of what they could do if
            all of them were in the shop all the time.
        session_length: views of a session, on average.
        pause_seconds: between two events of a session, on average.
        n_tastes: categories a shopper likes at a time, each less than the one before.
        drift_per_day: tastes that a shopper swaps for others per day of event time, on average; 0 = never.
        shifts: moments at which every shopper's tastes become others, ascending, in seconds after `start_ts`.
        attention: chance that a shopper looks at a slate, where slates are shown, before browsing.
        boredom: chance that a shopper who has clicked nothing of a slate looks at one thing more, and leaves.
    """

    n_users: int = 5000
    n_items: int = 2000
    n_categories: int = 24
    seed: int = 42
    start_ts: float = 1_700_000_000.0
    events_per_second: float = 20.0
    session_length: float = 6.0
    pause_seconds: float = 40.0
    n_tastes: int = 3
    drift_per_day: float = 0.0
    shifts: tuple[float, ...] = ()
    attention: float = 0.5
    boredom: float = 0.1

    def __post_init__(self) -> None:
        positive = ("n_users", "n_items", "n_categories", "events_per_second", "pause_seconds", "n_tastes")
        wrong = [name for name in positive if getattr(self, name) <= 0]
        wrong += ["session_length"] if self.session_length < 1 else []
        wrong += ["drift_per_day"] if self.drift_per_day < 0 else []
        wrong += [name for name in ("attention", "boredom") if not 0 <= getattr(self, name) <= 1]
        wrong += ["shifts"] if list(self.shifts) != sorted(self.shifts) else []
        if wrong:
            values = ", ".join(f"{name} = {getattr(self, name)}" for name in wrong)
            raise ConfigError(
                f"no such shop: {values}",
                fix="give positive numbers, attention and boredom between 0 and 1, and shifts in order",
            )
        most = _BUSY * self.n_users / self.pause_seconds
        if self.events_per_second > most:
            raise ConfigError(
                f"{self.n_users} shoppers cannot make {self.events_per_second:g} events a second, but {most:g} at most",
                fix="let more shoppers in (--users), or fewer events (--rate)",
            )


class Taste(NamedTuple):
    """A shopper likes a category, in one style above others, with a weight; a shopper's weights add up to 1."""

    category: int
    style: int
    weight: float


@dataclass(frozen=True, slots=True)
class Shop:
    """The catalogue, and what each shopper likes.

    Attributes:
        plan: what it is made from.
        shelves: per category, its items, the most popular first.
        style_shelves: the same per category and style.
        styles: per item.
    """

    plan: ShopPlan
    shelves: list[list[int]] = field(init=False, default_factory=list)
    style_shelves: dict[tuple[int, int], list[int]] = field(init=False, default_factory=dict)
    styles: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.shelves.extend([] for _ in range(self.plan.n_categories))
        for item in range(self.plan.n_items):
            self.styles.append(self._draw(1, item) % len(_STYLES))
            self.shelves[self.category(item)].append(item)
            self.style_shelves.setdefault((self.category(item), self.style(item)), []).append(item)

    def category(self, item: int) -> int:
        """The item's category; every category gets the same number of items."""
        return item % self.plan.n_categories

    def style(self, item: int) -> int:
        """The item's style."""
        return self.styles[item]

    def price(self, item: int) -> float:
        """The item's price."""
        return round(5 + 195 * (self._draw(2, item) % 1000) / 1000, 2)

    def companion(self, item: int, chance: float) -> int:
        """One of the few items of its category that shoppers often look at right after this one.

        Args:
            item: this one.
            chance: in [0, 1), picks which.
        """
        shelf = self.shelves[self.category(item)]
        return shelf[self._draw(3, item, int(_N_COMPANIONS * chance)) % len(shelf)]

    def tastes(self, user: int, ts: float) -> list[Taste]:
        """What a shopper likes at a time, the strongest first."""
        plan = self.plan
        weights = [0.5**nth for nth in range(plan.n_tastes)]
        shifted = _SHIFT * bisect_right(plan.shifts, ts - plan.start_ts)
        tastes = []
        for nth, weight in enumerate(weights):
            generation = shifted
            if plan.drift_per_day:
                phase = self._draw(4, user, nth) % 10_000 / 10_000
                swaps = (ts - plan.start_ts) / _DAY * plan.drift_per_day / plan.n_tastes
                generation += int(swaps + phase)
            draw = self._draw(5, user, nth, generation)
            category = draw % plan.n_categories
            tastes.append(Taste(category, draw // plan.n_categories % len(_STYLES), weight / sum(weights)))
        return tastes

    def affinity(self, user: int, item: int, ts: float) -> float:
        """How much a shopper likes an item at a time, in [0, 1]; 0 outside the categories of their tastes."""
        return self.liking(self.tastes(user, ts), item)

    def liking(self, tastes: Sequence[Taste], item: int) -> float:
        """The same for somebody of these tastes."""
        category, style = self.category(item), self.style(item)
        liked = 0.0
        for taste in tastes:
            if taste.category == category:
                liked += taste.weight if taste.style == style else _OTHER_STYLE * taste.weight
        return liked

    def item(self, item: int) -> Item:
        """The item as it stands in the catalogue."""
        noun = _NOUNS[self.category(item) % len(_NOUNS)]
        kind = noun if self.plan.n_categories <= len(_NOUNS) else f"{noun}-{self.category(item)}"
        style = _STYLES[self.style(item)]
        material = _MATERIALS[self._draw(6, item) % len(_MATERIALS)]
        return Item(item_id(item), f"{style} {material} {noun} {item}", (kind, style, material))

    def catalogue(self) -> list[Item]:
        """Every item."""
        return [self.item(item) for item in range(self.plan.n_items)]

    def _draw(self, *what: int) -> int:
        """A 64-bit number for (seed, what), as if drawn at random (SplitMix64)."""
        x = self.plan.seed
        for part in what:
            x = (x ^ part) * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03 & _MASK
            x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
            x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
            x ^= x >> 31
        return x


def item_id(item: int) -> str:
    """The id of the n-th item."""
    return f"i{item}"


def user_id(user: int) -> str:
    """The id of the n-th shopper."""
    return f"u{user}"
