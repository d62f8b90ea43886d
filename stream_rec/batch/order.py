"""The order of a batch slate: what ALS says of the user, mixed with what everybody has taken of late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Scores = TypeVar("Scores", bound=np.floating[Any])
_SCORES, _USERS = 1 << 23, 1024
"""Scores and users at a time, at most: 32 MB."""


class Mix(NamedTuple):
    """How much of what.

    Attributes:
        als: share of ALS; the rest is popularity.
        half_life_days: after so long an event counts half for popularity; 0 = ALS alone.
    """

    als: float
    half_life_days: float

    @property
    def name(self) -> str:
        """In the name of a metric."""
        return f"als_{self.als:g}" + (f"_days_{self.half_life_days:g}" if self.half_life_days else "")

    @property
    def in_words(self) -> str:
        """For people."""
        popularity = f"popularity (half-life {self.half_life_days:g} d)"
        parts = [f"{self.als:g} ALS"] * bool(self.als) + [f"{1.0 - self.als:g} {popularity}"] * (
            self.als < 1.0
        )
        return " + ".join(parts)


ALS_ALONE = Mix(1.0, 0.0)
SHARES = (0.0, 0.25, 0.5, 0.75)
HALF_LIVES_DAYS = (1.0, 3.0, 7.0, 30.0)
MIXES = {Mix(share, days): at for share in SHARES for at, days in enumerate(HALF_LIVES_DAYS)} | {ALS_ALONE: 0}
"""What is tried, and the place of its half-life."""
DEFAULT = Mix(0.25, 7.0)
"""Where nobody could be asked."""


@dataclass(frozen=True, slots=True)
class Order:
    """How items are ordered for a user.

    Attributes:
        mix: of what.
        popularity: standardised, float32 [n]; of ALS alone [1].
    """

    mix: Mix = ALS_ALONE
    popularity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(1, np.float32))

    def scores(self, of_als: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of n items for users, [users, n], in standard deviations; those of ALS are overwritten."""
        return mixed(standardised(of_als), self.popularity, self.mix.als)


def standardised(values: NDArray[Scores]) -> NDArray[Scores]:
    """Each row with mean 0 and standard deviation 1, in place; equal values are 0."""
    largest = np.maximum(values.max(axis=-1, keepdims=True), -values.min(axis=-1, keepdims=True))
    values -= values.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.einsum("...n,...n->...", values, values) / values.shape[-1])[..., None]
    differ = spread > 8 * np.finfo(values.dtype).eps * largest
    values *= differ
    np.divide(values, spread, out=values, where=differ)
    return values


def mixed(of_als: NDArray[np.float32], popularity: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Standardised scores of ALS [users, n], in place, with popularity [n]; `share` is that of ALS."""
    of_als *= np.float32(share)
    of_als += np.float32(1.0 - share) * popularity
    return of_als


def best(tried: Mapping[Mix, float]) -> Mix:
    """What hit most; of equals that with more of ALS, then that with the longer half-life."""
    return max(tried, key=lambda mix: (tried[mix], mix))


def users_at_a_time(n_items: int) -> int:
    """So many that 32 MB hold the scores of all items for them."""
    return max(1, min(_USERS, _SCORES // n_items))
