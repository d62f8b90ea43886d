"""A biased matrix factorization of ratings, in float64 and plain lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_rec.sources.ratings import N_FACTORS, RatingRates
from tests.oracles.ids import uniform


@dataclass
class Side:
    """A user, or an item."""

    bias: float = 0.0
    n: int = 0
    squares: float = 0.0
    factors: np.ndarray = field(default_factory=lambda: np.zeros(N_FACTORS))


@dataclass
class SlowRatings:
    """What a user would rate an item."""

    rates: RatingRates
    n: int = 0
    mean: float = 0.0
    variance: float = 0.0
    seen: list[float] = field(default_factory=list)
    users: dict[str, Side] = field(default_factory=dict)
    items: dict[str, Side] = field(default_factory=dict)

    def predict(self, user: str, item: str) -> float:
        u, i = self.users.get(user, Side()), self.items.get(item, Side())
        return self.mean + self.deviation * (u.bias + i.bias + float(u.factors @ i.factors))

    def expect(self, user: str, item: str) -> float | None:
        """Within the range of what there was; None before the first."""
        if not self.seen:
            return None
        return min(max(self.predict(user, item), min(self.seen)), max(self.seen))

    @property
    def deviation(self) -> float:
        return math.sqrt(self.variance) if self.variance > 1e-12 else 1.0

    def rate(self, user: str, item: str, value: float, seed: int) -> None:
        rates = self.rates
        self._take_scale(value)
        u, i = self.users.setdefault(user, Side()), self.items.setdefault(item, Side())
        if i.n == 0:
            i.factors = np.array([rates.initial * (2 * _unit(seed, j) - 1) for j in _columns()])
        own = u.bias + i.bias + float(u.factors @ i.factors)
        error = min(max((value - self.mean) / self.deviation - own, -rates.most), rates.most)
        for side, prior, floor in (
            (u, rates.user_prior, rates.user_floor),
            (i, rates.item_prior, rates.item_floor),
        ):
            side.n += 1
            side.bias += error * max(1 / (side.n + prior), floor)
        steps = []
        for side, other, rate in ((u, i, rates.user_rate), (i, u, rates.item_rate)):
            side.squares = rates.memory * side.squares + float(np.mean((error * other.factors) ** 2))
            steps.append(rate * error / math.sqrt(side.squares + rates.first_sum))
        keep = 1 - rates.shrinking
        u.factors, i.factors = (
            keep * u.factors + steps[0] * i.factors,
            keep * i.factors + steps[1] * u.factors,
        )

    def _take_scale(self, value: float) -> None:
        self.seen.append(value)
        if len(self.seen) == 1:
            self.mean = value
        share = max(1 / len(self.seen), self.rates.scale_floor)
        off = value - self.mean
        self.mean += share * off
        self.variance = (1 - share) * (self.variance + share * off * off)


def _columns() -> Sequence[int]:
    return range(3, 3 + N_FACTORS)


def _unit(seed: int, draw: int) -> float:
    return (uniform(seed, draw) >> 11) * 2.0**-53
