"""A scenario's expressions, compiled; and what they say of an item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from stream_rec.schemas.expressions import ATTRIBUTES, Expression, Subject, Subjects
from stream_rec.schemas.scenario import Scenario

MAX_VALUES = 8
"""Values of one attribute that caps count, the first ones."""
Item = Mapping[str, Any]


class Verdicts(NamedTuple):
    """What a scenario's rules say of n items.

    Attributes:
        may_be_shown: bool [n], in this scenario.
        boosts: float32 [n], ln of what multiplies an item's odds.
        promotions: uint8 [n], bit p = it belongs to promotion p; floors have the bits after them.
        order: float32 [n], its place in a leaderboard, greatest first; NaN = none. [0] = the scenario is none.
    """

    may_be_shown: NDArray[np.bool_]
    boosts: NDArray[np.float32]
    promotions: NDArray[np.uint8]
    order: NDArray[np.float32]


class Program:
    """What a scenario asks of every item.

    Args:
        scenario: valid.

    Raises:
        BadExpression: one of its expressions cannot be compiled.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._filter = Expression(scenario.filter) if scenario.filter.strip() else None
        self._boosts = [(Expression(boost.when), math.log(boost.factor)) for boost in scenario.boosts]
        self._promotions = [
            (frozenset(promotion.items), Expression(promotion.when) if promotion.when.strip() else None)
            for promotion in scenario.promotions
        ]
        self._promotions += [(frozenset(), Expression(floor.when)) for floor in scenario.floors]
        ttl = scenario.item_ttl_seconds
        self._young = Expression(f"age <= {float(ttl)!r}") if ttl else None
        self._order = Expression(scenario.order_by) if scenario.order_by.strip() else None
        self._hidden = frozenset(item for hide in scenario.hides if not hide.slots for item in hide.items)
        asked = [self._filter, self._young, self._order, *(when for when, _ in self._boosts)]
        expressions = [each for each in (*asked, *(when for _, when in self._promotions)) if each is not None]
        self.moves = any(each.moves for each in expressions)
        self.names = frozenset(name for each in expressions for name in each.names)
        if self._hidden or any(items for items, _ in self._promotions):
            self.names |= {"id"}
        self.filters = self._filter is not None or self._young is not None or bool(self._hidden)
        self.asks = (
            *(scenario.filter.strip(), ttl, scenario.order_by.strip(), scenario.boosts, self._hidden),
            tuple((frozenset(each.items), each.when.strip()) for each in scenario.promotions),
            tuple(each.when for each in scenario.floors),
            tuple(each.attribute for each in scenario.caps),
        )
        """Equal where the masks are."""

    @property
    def boosts(self) -> bool:
        """Does any rule multiply odds?"""
        return bool(self._boosts)

    @property
    def promotes(self) -> bool:
        """Has it promotions or floors?"""
        return bool(self._promotions)

    @property
    def orders(self) -> bool:
        """Is it a leaderboard?"""
        return self._order is not None

    @property
    def asks_of_items(self) -> bool:
        """Does it ask anything of items, by a rule or for a cap?"""
        return bool(self.filters or self.boosts or self.promotes or self.orders or self.scenario.caps)

    def judge(self, subjects: Subjects) -> Verdicts:
        """What the rules say of items, of which all `names` and `id` were given."""
        n = len(subjects)
        shown = subjects.holding(self._filter) if self._filter is not None else np.ones(n, np.bool_)
        if self._young is not None:
            shown = shown & subjects.holding(self._young)
        if self._hidden:
            shown = shown & ~subjects.among(self._hidden)
        boosts = np.zeros(n)
        for when, ln in self._boosts:
            boosts += ln * subjects.holding(when)
        promotions = np.zeros(n, np.uint8)
        for p, (items, promotes) in enumerate(self._promotions):
            belongs = subjects.among(items)
            if promotes is not None:
                belongs |= subjects.holding(promotes)
            promotions |= belongs.astype(np.uint8) << np.uint8(p)
        order = subjects.numbers(self._order) if self._order is not None else np.zeros(0, np.float32)
        return Verdicts(shown, boosts.astype(np.float32), promotions, order)

    def told(self, item: Item) -> list[str]:
        """Each rule that says something of an item, for people."""
        said, subject = [], Subject(item, self.names)
        if item.get("id") in self._hidden:
            said.append("hides: it is hidden in this scenario")
        if self._filter is not None and not self._filter.holds(subject):
            said.append(f"filter: {self._filter.text}: not true of it")
        if self._young is not None and not self._young.holds(subject):
            said.append(f"item_ttl_seconds: {self._young.text}: not true of it")
        for i, (boosted, ln) in enumerate(self._boosts):
            if boosted.holds(subject):
                said.append(f"boosts[{i}]: {boosted.text}: odds x {math.exp(ln):g}")
        for p, (items, when) in enumerate(self._promotions):
            if item.get("id") in items or (when is not None and when.holds(subject)):
                n = len(self.scenario.promotions)
                said.append(
                    f"promotions[{p}]: it belongs to it" if p < n else f"floors[{p - n}]: it is of it"
                )
        return said


def values_of(item: Item, attribute: str) -> list[int]:
    """What caps count of an attribute: a hash above 0 for each value, equal for equal ones; at most MAX_VALUES."""
    given = item.get(attribute, item[ATTRIBUTES].get(attribute))
    if given is None or given == "":
        return []
    values = given if isinstance(given, list) else [given]
    return [_hash_of(value) for value in values[:MAX_VALUES]]


@lru_cache(maxsize=1 << 14, typed=True)
def _hash_of(value: object) -> int:
    return int(xxhash.xxh3_64_intdigest(repr(value).encode()) % 0x7FFFFFFE + 1)


NO_VALUES = np.zeros((0, 0, 1), np.int32)
