"""The features of a set of candidates, normalised as the ranker wants them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def shares_of_heaviest(column: Matrix) -> Matrix:
    """Square roots of the shares of the heaviest entry; zeros stay."""
    top = column.max(initial=0.0)
    return np.sqrt(column / top) if top > 0 else column


def popularity(logs: Matrix, span: float) -> Matrix:
    """1 for the most popular candidate, 0 for one less popular by exp(-span) or more (or without events)."""
    return 1 + np.maximum(logs - logs.max(initial=-1e30), -span) / span


def standardised(products: Matrix) -> Matrix:
    """To mean 0 and standard deviation 1."""
    return (products - products.mean()) / np.sqrt(max(products.var(), 1e-6))


def youth(ages: Matrix, seconds: float) -> Matrix:
    """1 for the newest, 1/2 at an age of `seconds`."""
    return seconds / (seconds + np.maximum(ages, 0.0))


def best(scores: Matrix, allowed: NDArray[np.bool_], k: int) -> list[int]:
    """The k best allowed, ties by the order in which they were found."""
    order = sorted(np.flatnonzero(allowed).tolist(), key=lambda c: (-scores[c], c))
    return order[:k]
