"""What events mean, by type and value: the settings' table as a plain immutable struct, and columns read by it."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.settings import EventTypeSettings, ValueCondition, parse_condition

UNDO = "undo:"
N_TYPES = 16
"""Numbers of types that histories remember; 0 = any type that has no number of its own."""
MAX_RATING = 10_000.0
"""A value beyond it, above or below 0, is no rating."""
ALL_TYPES = (1 << N_TYPES) - 1
"""Every type, as a bit set: bit b = the type of number b."""


class Meaning(IntEnum):
    """What an event is to the engine.

    POSITIVE: interest. NEGATIVE: the user dislikes the item. NEVER: the user never wants to see it, or what is like
    it, again. UNDONE: an earlier event is taken back. IGNORED: it might as well not be there.
    """

    POSITIVE = 0
    NEGATIVE = 1
    NEVER = 2
    UNDONE = 3
    IGNORED = 4


OPERATORS: Mapping[str, Callable[[NDArray[np.float64], float], NDArray[np.bool_]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


class Case(NamedTuple):
    """One meaning that events of a type can have.

    Attributes:
        meaning: what it is to the engine.
        weight: how much it counts.
        undoes: the type whose event is taken back; "" = none.
        comparison: of the value: an operator and a bound; None = whatever the value is, and without one.
    """

    meaning: Meaning
    weight: float
    undoes: str = ""
    comparison: tuple[str, float] | None = None


class EventType(NamedTuple):
    """One row of the table.

    Attributes:
        cases: the first whose comparison holds says what an event means; the last one always does.
        is_conversion: of those that are positive.
        value: what the value holds: `dwell`, `price`, `rating` or `none`.
        hides: what a `never` hides: the `item`, or besides it every item with the `tag` that the event's context names,
            or of the item's `owner`.
    """

    cases: tuple[Case, ...]
    is_conversion: bool = False
    value: str = "none"
    hides: str = "item"

    @classmethod
    def of(cls, entry: EventTypeSettings) -> EventType:
        """From the settings, or from any record of the same fields."""
        role = entry.value
        if role == "auto":
            role = "price" if entry.conversion else "none"
        cases = [_case(when, entry.weight) for when in entry.when]
        last = _meant(entry.meaning, entry.weight)
        return cls((*cases, last), entry.conversion, role, entry.hides)


UNKNOWN_TYPE = EventType((Case(Meaning.POSITIVE, 1.0),))
"""What is not in the table is interest, and counts 1."""


def _is_interest(row: EventType) -> bool:
    return any(case.meaning is Meaning.POSITIVE for case in row.cases)


def _case(when: ValueCondition, weight: float) -> Case:
    meant = _meant(when.meaning, weight if when.weight is None else when.weight)
    return meant._replace(comparison=parse_condition(when.value))


def _meant(text: str, weight: float) -> Case:
    if text.startswith(UNDO):
        return Case(Meaning.UNDONE, weight, text.removeprefix(UNDO))
    plain = {"positive": Meaning.POSITIVE, "negative": Meaning.NEGATIVE, "never": Meaning.NEVER}
    return Case(plain.get(text, Meaning.IGNORED), weight)


class Meanings(NamedTuple):
    """n events as the table reads them.

    Attributes:
        types: int32 [n], number of the type in `EventTypes.names`; -1 = it is not in the table.
        cases: int32 [n], number of the case in `EventTypes.cases`.
        meanings: uint8 [n], Meaning.
        weights: float32 [n].
    """

    types: NDArray[np.int32]
    cases: NDArray[np.int32]
    meanings: NDArray[np.uint8]
    weights: NDArray[np.float32]


class EventTypes:
    """The table, immutable.

    Args:
        rows: by the type's name.

    Attributes:
        names: of the types.
        cases: every case of every type; number 0 is that of a type that is not in the table.
        owners: of each case, number of its type in `names`; -1 = of the first.
        remembered: the types that histories tell apart, in the order of their numbers, from 1: those that can be
            interest, conversions first, N_TYPES - 1 at most.
        conversions: bit set of those that are conversions.
        has_ratings: does a type's value hold a rating.
    """

    def __init__(self, rows: Mapping[str, EventType]) -> None:
        self.names = tuple(rows)
        self._rows = tuple(rows.values())
        self._numbers = {name: number for number, name in enumerate(self.names)}
        cases, owners, first = [*UNKNOWN_TYPE.cases], [-1], []
        for number, row in enumerate(self._rows):
            first.append(len(cases))
            cases += row.cases
            owners += [number] * len(row.cases)
        self.cases = tuple(cases)
        self.owners = tuple(owners)
        self._first = first
        self._last = np.array(
            [0, *(at + len(row.cases) - 1 for at, row in zip(first, self._rows, strict=True))]
        )
        self._meanings = np.array([case.meaning for case in cases], np.uint8)
        self._weights = np.array([case.weight for case in cases], np.float32)
        self.undone = frozenset(case.undoes for case in cases if case.undoes)
        self.remembered = self._to_remember()
        self._numbered = {name: number for number, name in enumerate(self.remembered, start=1)}
        self.conversions = self.mask_of([n for n in self.remembered if self.row(n).is_conversion])
        self._kinds = np.array([0, *(self._numbered.get(name, 0) for name in self.names)], np.uint8)
        self._rates = np.array([False, *(row.value == "rating" for row in self._rows)])
        self.has_ratings = bool(self._rates.any())
        self._conditional = [number for number, row in enumerate(self._rows) if len(row.cases) > 1]

    @classmethod
    def of(cls, table: Mapping[str, EventTypeSettings]) -> EventTypes:
        """From the settings."""
        return cls({name: EventType.of(entry) for name, entry in table.items()})

    def row(self, name: str) -> EventType:
        """Of a type, in the table or not."""
        number = self._numbers.get(name)
        return UNKNOWN_TYPE if number is None else self._rows[number]

    def knows(self, name: str) -> bool:
        """Is the type in the table?"""
        return name in self._numbers

    def mask_of(self, names: Sequence[str]) -> int:
        """A bit set of types. One that is interest and has no number of its own stands for all those that have none."""
        may_be = [name for name in names if name in self._numbered or _is_interest(self.row(name))]
        return sum({1 << self._numbered.get(name, 0) for name in may_be})

    def numbers(self, types: NDArray[np.int32]) -> NDArray[np.uint8]:
        """What histories remember the types by, from `Meanings.types`."""
        return self._kinds[types + 1]

    def ratings(self, types: NDArray[np.int32], values: NDArray[np.float32]) -> NDArray[np.float32]:
        """What n events rate their items, whatever they mean; NaN = nothing. Empty where no type's value is a rating.

        Args:
            types: [n], `Meanings.types`.
            values: [n]; one beyond MAX_RATING is no rating.
        """
        if not self.has_ratings:
            return values[:0]
        is_one = self._rates[types + 1] & (np.abs(values) <= MAX_RATING)
        return np.where(is_one, values, np.float32(np.nan))

    def _to_remember(self) -> tuple[str, ...]:
        found = [name for name in self.names if _is_interest(self.row(name))]
        found.sort(key=lambda name: not self.row(name).is_conversion)
        return tuple(found[: N_TYPES - 1])

    def unknown(self, types: Sequence[str]) -> dict[str, int]:
        """How many of n events are of each type that is not in the table."""
        names = {name for name in set(types) if not self.knows(name)}
        return Counter(name for name in types if name in names) if names else {}

    def read(self, types: Sequence[str], values: NDArray[np.float32]) -> Meanings:
        """What n events mean.

        Args:
            types: [n], names.
            values: [n], NaN = none: no comparison holds.
        """
        number_of = self._numbers.get
        numbers = np.fromiter([number_of(name, -1) for name in types], np.int32, len(types))
        cases = self._last[numbers + 1].astype(np.int32)
        for number in self._conditional:
            at = np.flatnonzero(numbers == number)
            if len(at):
                cases[at] = self._by_value(number, values[at].astype(np.float64))
        return Meanings(numbers, cases, self._meanings[cases], self._weights[cases])

    def _by_value(self, number: int, values: NDArray[np.float64]) -> NDArray[np.int32]:
        first, cases = self._first[number], self._rows[number].cases
        found = np.full(len(values), first + len(cases) - 1, np.int32)
        for at in range(len(cases) - 2, -1, -1):  # backwards, so that the first that holds stays
            comparison = cases[at].comparison
            assert comparison is not None, "all but the last case have one"
            holds = OPERATORS[comparison[0]](values, comparison[1]) & ~np.isnan(values)
            found[holds] = first + at
        return found
