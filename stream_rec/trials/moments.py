"""What variance needs of an arm, and nothing more: how many units, their sums, squares and cross products.

A *unit* is what is independent of the others: a user, or a bucket of users. All estimates here are functions of sums
over units, so one vector of slopes by outcome gives each its variance (the delta method).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_PRECISION = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the units of one arm.

    Attributes:
        outcomes: names of the d columns.
        n_units: how many units; those whose outcomes are all 0 count.
        sums: [d].
        products: [d, d]: sum over units of outcome i times outcome j.
    """

    outcomes: tuple[str, ...]
    n_units: int
    sums: Floats
    products: Floats

    @classmethod
    def of_units(cls, outcomes: Sequence[str], units: Floats) -> Moments:
        """Of a table [n, d]: a row for each unit, a column for each outcome."""
        units = np.asarray(units, np.float64)
        return cls(tuple(outcomes), len(units), units.sum(axis=0), units.T @ units)

    def __add__(self, other: Moments) -> Moments:
        """Of both; no unit may be in both.

        Raises:
            ValueError: they have not the same outcomes.
        """
        if self.outcomes != other.outcomes:
            raise ValueError(f"outcomes {self.outcomes} and {other.outcomes}")
        return Moments(
            self.outcomes,
            self.n_units + other.n_units,
            self.sums + other.sums,
            self.products + other.products,
        )

    def total(self, outcome: str) -> float:
        """The sum of an outcome over all units."""
        return float(self.sums[self.index(outcome)])

    def index(self, outcome: str) -> int:
        """The outcome's column.

        Raises:
            ValueError: there is none of this name.
        """
        return self.outcomes.index(outcome)

    def slopes(self, numerator: str, denominator: str) -> Floats:
        """[d]: by how much a unit's outcomes move the ratio of two sums, times the number of units.

        The derivative of (sum Y) / (sum D), so the ratio's variance is slopes' C slopes / n. Zeros where the
        denominator's sum is 0.
        """
        slopes = np.zeros(len(self.outcomes))
        below = self.total(denominator) / max(self.n_units, 1)
        if below == 0:
            return slopes
        slopes[self.index(numerator)] += 1 / below
        slopes[self.index(denominator)] -= self.total(numerator) / self.total(denominator) / below
        return slopes

    def variance_of(self, slopes: Floats) -> float:
        """Of an estimate with these slopes: slopes' C slopes / n, C the outcomes' covariance between units.

        Exactly 0 where it is no more than what rounding leaves of units that are all alike: a sum of n products is
        known to n times the machine's precision of their sizes (Higham 2002, chapter 3).
        """
        n, found = self.n_units, self.covariance_of(slopes, slopes)
        sizes = np.abs(slopes)
        least = n * _PRECISION * float(sizes @ np.abs(self.products) @ sizes) / max(n - 1, 1) / max(n, 1)
        return found if found > least else 0.0

    def covariance_of(self, one: Floats, other: Floats) -> float:
        """Of two estimates from these units, by their slopes; unbiased (n - 1), 0 for fewer than two units."""
        n = self.n_units
        if n < 2:
            return 0.0
        means = float(one @ self.sums) * float(other @ self.sums) / n
        return (float(one @ self.products @ other) - means) / (n - 1) / n
