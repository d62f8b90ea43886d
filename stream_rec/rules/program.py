"""A scenario's expressions, compiled; and what they say of an item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xxhash

from stream_rec.schemas.expressions import ATTRIBUTES, Expression, Subject
from stream_rec.schemas.scenario import Scenario

MAX_VALUES = 8
"""Values of one attribute that caps count, the first ones."""
Item = Mapping[str, Any]


class Verdict(NamedTuple):
    """What a scenario's rules say of an item.

    Attributes:
        may_be_shown: in this scenario.
        boost: ln of what multiplies its odds.
        promotions: bit p = it belongs to promotion p.
        order: its place in a leaderboard, greatest first; NaN = none.
    """

    may_be_shown: bool
    boost: float
    promotions: int
    order: float


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
        self._order = Expression(scenario.order_by) if scenario.order_by.strip() else None
        self._hidden = frozenset(item for hide in scenario.hides if not hide.slots for item in hide.items)
        asked = [self._filter, self._order, *(when for when, _ in self._boosts)]
        expressions = [each for each in (*asked, *(when for _, when in self._promotions)) if each is not None]
        self.moves = any(each.moves for each in expressions)
        self.names = frozenset(name for each in expressions for name in each.names)
        self.filters = self._filter is not None or bool(self._hidden)

    @property
    def boosts(self) -> bool:
        """Does any rule multiply odds?"""
        return bool(self._boosts)

    @property
    def promotes(self) -> bool:
        """Has it promotions?"""
        return bool(self._promotions)

    @property
    def orders(self) -> bool:
        """Is it a leaderboard?"""
        return self._order is not None

    @property
    def is_plain(self) -> bool:
        """Does it ask nothing of any item?"""
        return not (self.filters or self.boosts or self.promotes or self.orders)

    def judge(self, subject: Subject) -> Verdict:
        """What the rules say of an item, of which all `names` were given."""
        item_id = subject.item.get("id")
        shown = item_id not in self._hidden and (self._filter is None or self._filter.holds(subject))
        boost, promotions = 0.0, 0
        for when, ln in self._boosts:
            if when.holds(subject):
                boost += ln
        for p, (items, promotes) in enumerate(self._promotions):
            promotions |= (item_id in items or (promotes is not None and promotes.holds(subject))) << p
        return Verdict(shown, boost, promotions, self._order.number(subject) if self._order else math.nan)

    def told(self, item: Item) -> list[str]:
        """Each rule that says something of an item, for people."""
        said, subject = [], Subject(item, self.names)
        if item.get("id") in self._hidden:
            said.append("hides: it is hidden in this scenario")
        if self._filter is not None and not self._filter.holds(subject):
            said.append(f"filter: {self._filter.text}: not true of it")
        for i, (boosted, ln) in enumerate(self._boosts):
            if boosted.holds(subject):
                said.append(f"boosts[{i}]: {boosted.text}: odds x {math.exp(ln):g}")
        for p, (items, when) in enumerate(self._promotions):
            if item.get("id") in items or (when is not None and when.holds(subject)):
                said.append(f"promotions[{p}]: it belongs to it")
        return said


def values_of(item: Item, attribute: str) -> list[int]:
    """What caps count of an attribute: a hash above 0 for each value, equal for equal ones; at most MAX_VALUES."""
    given = item.get(attribute, item[ATTRIBUTES].get(attribute))
    if given is None or given == "":
        return []
    values = given if isinstance(given, list) else [given]
    return [xxhash.xxh3_64_intdigest(repr(value).encode()) % 0x7FFFFFFE + 1 for value in values[:MAX_VALUES]]


NO_VALUES = np.zeros((0, 0, 1), np.int32)
