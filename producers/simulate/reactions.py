"""What shoppers make of the slates that they are shown: position bias, taste and fatigue.

A shopper goes down a slate from the top, to the next place with probability `LOOK_ON`, and clicks an item that is
looked at with `CLICK` times how much it is liked: one click at most, which ends it (a cascade: Craswell et al. 2008).
Who has seen an item often likes it less for a while.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stream_rec.producers.simulate.shop import Shop, Taste

LOOK_ON = 0.85
"""Chance to look at the next place, too."""
CLICK = 0.6
"""Chance to click an item that is liked as much as can be."""
TIRES = 0.8
"""How much an item is still liked that was looked at once more and not clicked; a click counts twice."""
RECOVERS_SECONDS = 86_400.0
"""Half of what has tired is forgotten after so much event time."""
_MAX_PLACES = 100


class Look(NamedTuple):
    """A shopper is about to look at a slate.

    Attributes:
        user: number of the shopper.
        ts: event time, seconds.
        tastes: of the shopper, now.
        items: numbers of the items shown, best first; unknown ones left out.
    """

    user: int
    ts: float
    tastes: Sequence[Taste]
    items: Sequence[int]


class Fatigue:
    """How often shoppers have seen items. Bounded: who has not looked for longest starts afresh, item by item, too.

    Args:
        max_users: shoppers remembered.
        max_items: items remembered of each.
    """

    def __init__(self, max_users: int = 100_000, max_items: int = 256) -> None:
        self._max_users = max_users
        self._max_items = max_items
        self._seen: OrderedDict[int, OrderedDict[int, tuple[float, float]]] = OrderedDict()

    def of(self, user: int) -> Mapping[int, tuple[float, float]]:
        """By item: how often it counts as seen, as of a time (seconds)."""
        return self._seen.get(user) or {}

    def see(self, user: int, item: int, ts: float, times: float) -> None:
        """An item was looked at, and counts as so many times."""
        items = self._seen.setdefault(user, OrderedDict())
        self._seen.move_to_end(user)
        if len(self._seen) > self._max_users:
            self._seen.popitem(last=False)
        items[item] = (left(items.get(item), ts) + times, ts)
        items.move_to_end(item)
        if len(items) > self._max_items:
            items.popitem(last=False)


def left(seen: tuple[float, float] | None, ts: float) -> float:
    """How often an item still counts as seen at a time."""
    return seen[0] * 0.5 ** ((ts - seen[1]) / RECOVERS_SECONDS) if seen else 0.0


class Reactions:
    """Decides what shoppers click, and knows how likely that is.

    Args:
        shop: what they like.
        chance: decides.
    """

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self._shop = shop
        self._random = chance
        self._fatigue = Fatigue()

    def click(self, look: Look) -> int | None:
        """The item that is clicked; None = none. What was looked at is remembered."""
        for item, wanted in self._wanted(look, look.items[:_MAX_PLACES]):
            is_clicked = self._random.random() < wanted
            self._fatigue.see(look.user, item, look.ts, 2.0 if is_clicked else 1.0)
            if is_clicked:
                return item
            if self._random.random() > LOOK_ON:
                return None
        return None

    def probability(self, look: Look) -> float:
        """That something of the slate is clicked."""
        return _of_a_click([wanted for _, wanted in self._wanted(look, look.items[:_MAX_PLACES])])

    def best_probability(self, look: Look) -> float:
        """The same of the best slate of that length, made by somebody who knows the shopper's tastes."""
        shelves = (self._shop.shelves[taste.category] for taste in look.tastes)
        liked = dict.fromkeys(item for shelf in shelves for item in shelf)
        wanted = sorted((each for _, each in self._wanted(look, list(liked))), reverse=True)
        return _of_a_click(wanted[: len(look.items)])

    def _wanted(self, look: Look, items: Sequence[int]) -> Iterator[tuple[int, float]]:
        """Each item, and the chance that it is clicked if it is looked at."""
        seen = self._fatigue.of(look.user)
        for item in items:
            liked = self._shop.liking(look.tastes, item)
            times = left(seen.get(item), look.ts) if liked and item in seen else 0.0
            yield item, CLICK * liked * TIRES**times


def _of_a_click(wanted: Sequence[float]) -> float:
    """Of any place, going down them in order."""
    looked, clicked = 1.0, 0.0
    for each in wanted:
        clicked += looked * each
        looked *= LOOK_ON * (1.0 - each)
    return clicked
