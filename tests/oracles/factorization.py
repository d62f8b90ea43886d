"""One step of sampled softmax with row-wise Adagrad, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rec.sources.factorization import FactorRates

Matrix = NDArray[np.float64]
EPSILON = 1e-6


@dataclass
class Factors:
    """What a step reads and changes."""

    users: Matrix
    user_squares: Matrix
    inputs: Matrix
    input_squares: Matrix
    items: Matrix
    item_squares: Matrix


def shares(session: list[tuple[int, int]], stale: set[int], rates: FactorRates) -> dict[int, float]:
    """Weight of each of the newest session items (row, steps ago), summing to 1; stale ones have none."""
    raw = {row: rates.step_decay**steps for row, steps in session[: rates.session_items] if row not in stale}
    return {row: weight / sum(raw.values()) for row, weight in raw.items()}


def query(f: Factors, user: int, weights: Mapping[int, float]) -> Matrix:
    """User factors (none for a stranger, -1) plus the weighted mean of the session items' input factors."""
    v = f.users[user].copy() if user >= 0 else np.zeros(f.items.shape[1])
    for row, weight in weights.items():
        v += weight * f.inputs[row]
    return v


def step(f: Factors, rates: FactorRates, user: int, weights: Mapping[int, float], picks: list[int]) -> None:
    """Towards picks[0], away from the others by their softmax share; a pick may come twice."""
    v = query(f, user, weights)
    logits = f.items[picks] @ v
    errors = np.exp(logits - logits.max())
    errors /= errors.sum()
    errors[0] -= 1.0
    gradient = errors @ f.items[picks]
    for row, error in zip(picks, errors, strict=True):
        _descend(f.items, f.item_squares, row, error * v, rates)
    _descend(f.users, f.user_squares, user, gradient, rates)
    for row, weight in weights.items():
        _descend(f.inputs, f.input_squares, row, weight * gradient, rates)


def _descend(factors: Matrix, squares: Matrix, row: int, gradient: Matrix, rates: FactorRates) -> None:
    squares[row] += np.mean(gradient**2)
    factors[row] *= 1.0 - rates.learning_rate * rates.regularisation
    factors[row] -= rates.learning_rate * gradient / np.sqrt(squares[row] + EPSILON)
