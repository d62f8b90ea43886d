"""Ratings: what a user would rate an item, by a biased matrix factorization that learns from each rating as it comes.

A target of its own: it proposes nothing, and the ranker does not hear it. A rating is the value of an event whose type
says so (`value = "rating"`), whatever else the event means. Where no type does, its arrays have no width.

Prediction: mean + deviation * (user's bias + item's bias + user's factors . item's factors), Koren, Bell, Volinsky,
"Matrix Factorization Techniques for Recommender Systems", IEEE Computer 42(8), 2009, eq. 4. Mean and deviation are
those of the ratings so far, so nothing depends on the scale that they are given on.
Update: biases go a share of the error that falls with the number of ratings, down to a floor, so that a newcomer's are
shrunk means and an old hand's still follow a change; factors by row-wise Adagrad whose sums decay.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.kernels.compile import kernel, kernel_inner, kernel_inner_sums
from stream_rec.kernels.ids import uniform, unit
from stream_rec.kernels.ownership import PerItem, PerUser

N_FACTORS = 16
BIAS, N_RATINGS, SQUARES, FACTORS = range(4)
"""Columns of users and items; the factors are the last ones."""
N, MEAN, VARIANCE, LOWEST, HIGHEST, N_SCALE = range(6)
"""Places in the scale."""
LEAST_VARIANCE = 1e-12
"""Below it all ratings are the same, and heights are in their own unit."""


class RatingState(NamedTuple):
    """State; W = FACTORS + N_FACTORS, or 0 where no type of event is a rating.

    Attributes:
        users: float32 [users, W], bias, number of ratings, Adagrad sum, factors.
        items: float32 [items, W], likewise.
        scale: float64 [N_SCALE], number of ratings, their mean and variance, the lowest and the highest.
    """

    users: PerUser[np.float32]
    items: PerItem[np.float32]
    scale: NDArray[np.float64]


class RatingRates(NamedTuple):
    """What stays the same while learning.

    Attributes:
        user_prior: ratings that a user's bias of 0 is worth.
        item_prior: ratings that an item's bias of 0 is worth.
        user_floor: the least share of an error that a user's bias goes.
        item_floor: likewise of an item's.
        scale_floor: likewise of the mean and the variance.
        user_rate: step of a user's factors.
        item_rate: step of an item's factors.
        shrinking: share of a factor that is lost with each step.
        memory: share of an Adagrad sum that is left with each step.
        first_sum: what it begins with.
        initial: an item's factors begin within +- this.
        most: errors are cut to so many deviations.
    """

    user_prior: float
    item_prior: float
    user_floor: float
    item_floor: float
    scale_floor: float
    user_rate: float
    item_rate: float
    shrinking: float
    memory: float
    first_sum: float
    initial: float
    most: float


RATES = RatingRates(
    user_prior=8.0,
    item_prior=3.0,
    user_floor=0.05,
    item_floor=0.005,
    scale_floor=1e-5,
    user_rate=0.025,
    item_rate=0.1,
    shrinking=3e-4,
    memory=0.95,
    first_sum=0.01,
    initial=0.1,
    most=4.0,
)


def empty(bounds: Bounds) -> RatingState:
    """No ratings yet; an item gets its factors with its first one."""
    width = FACTORS + N_FACTORS if bounds.ratings else 0
    return RatingState(
        users=np.zeros((bounds.users, width), np.float32),
        items=np.zeros((bounds.items, width), np.float32),
        scale=np.zeros(N_SCALE, np.float64),
    )


@kernel_inner_sums
def _affinity(own, user, item):
    total = np.float32(0.0)
    for j in range(FACTORS, own.users.shape[1]):
        total += own.users[user, j] * own.items[item, j]
    return total


@kernel
def _deviation(own):
    return np.sqrt(own.scale[VARIANCE]) if own.scale[VARIANCE] > LEAST_VARIANCE else 1.0


@kernel
def _height(own, user, item):
    """How many deviations above the mean, for rows (below 0 = unknown)."""
    height = 0.0
    if user >= 0:
        height += own.users[user, BIAS]
    if item >= 0:
        height += own.items[item, BIAS]
        if user >= 0:
            height += _affinity(own, user, item)
    return height


@kernel
def predict(own, user, item):
    """What a user (row, below 0 = unknown) would rate an item (row, -1 = unknown), in the unit of the ratings.

    Above the highest and below the lowest rating there was it goes on: it is what orders items. Unknown users and items
    are average ones. 0 before the first rating.
    """
    return own.scale[MEAN] + _deviation(own) * _height(own, user, item)


@kernel
def expect(own, user, item):
    """The rating that is to be expected: `predict` within the range of the ratings so far, NaN before the first."""
    if own.scale[N] == 0.0:
        return np.nan
    return min(max(predict(own, user, item), own.scale[LOWEST]), own.scale[HIGHEST])


@kernel
def _take_scale(own, rates, value):
    """Mean, variance and range with one more rating."""
    scale = own.scale
    if scale[N] == 0.0:
        scale[MEAN] = scale[LOWEST] = scale[HIGHEST] = value
    scale[N] += 1.0
    share = max(1.0 / scale[N], rates.scale_floor)
    off = value - scale[MEAN]
    scale[MEAN] += share * off
    scale[VARIANCE] = (1.0 - share) * (scale[VARIANCE] + share * off * off)
    scale[LOWEST] = min(scale[LOWEST], value)
    scale[HIGHEST] = max(scale[HIGHEST], value)


@kernel
def _draw_factors(own, rates, item, seed):
    """An item's first factors, a function of the seed: of zeros on both sides nothing could be learned."""
    for j in range(FACTORS, own.items.shape[1]):
        own.items[item, j] = np.float32(rates.initial * (2.0 * unit(uniform(seed, j)) - 1.0))


@kernel
def _move_bias(row, error, prior, floor):
    row[N_RATINGS] += np.float32(1.0)
    row[BIAS] += np.float32(error * max(1.0 / (row[N_RATINGS] + prior), floor))


@kernel_inner_sums
def _step(rates, row, other, error):
    """The Adagrad step of a row's factors for an error, by the other's; adds its mean square to the row's sum."""
    total = np.float32(0.0)
    for j in range(FACTORS, row.shape[0]):
        total += other[j] * other[j]
    mean_square = error * error * total / np.float32(row.shape[0] - FACTORS)
    row[SQUARES] = np.float32(rates.memory) * row[SQUARES] + mean_square
    return error / np.sqrt(row[SQUARES] + np.float32(rates.first_sum))


@kernel
def rate(own, rates, user, item, value, seed):
    """User and item (rows) learn from a rating. `seed` is the event's."""
    _take_scale(own, rates, value)
    of_user, of_item = own.users[user], own.items[item]
    if of_item[N_RATINGS] == np.float32(0.0):
        _draw_factors(own, rates, item, seed)
    height = (value - own.scale[MEAN]) / _deviation(own)
    error = min(max(height - _height(own, user, item), -rates.most), rates.most)
    _move_bias(of_user, error, rates.user_prior, rates.user_floor)
    _move_bias(of_item, error, rates.item_prior, rates.item_floor)
    by_user = np.float32(rates.user_rate) * _step(rates, of_user, of_item, np.float32(error))
    by_item = np.float32(rates.item_rate) * _step(rates, of_item, of_user, np.float32(error))
    keep = np.float32(1.0 - rates.shrinking)
    for j in range(FACTORS, of_user.shape[0]):
        x, y = of_user[j], of_item[j]
        of_user[j] = keep * x + by_user * y
        of_item[j] = keep * y + by_item * x


@kernel_inner
def score(state, query):
    """The query's scores are what its user would rate each candidate."""
    for c in range(query.n_candidates[0]):
        row = query.codes[c] & ROW_MASK
        query.scores[c] = np.float32(predict(state.ratings, query.user[0], row))


@kernel_inner
def join_users(state, visitor, user):
    """Two users (rows) were one: what is known of them is weighted by how much they have rated."""
    own = state.ratings.users
    if own.shape[1] == 0:
        return
    of_visitor, of_user = own[visitor, N_RATINGS], own[user, N_RATINGS]
    total = max(of_visitor + of_user, np.float32(1.0))
    for j in range(own.shape[1]):
        if j in (N_RATINGS, SQUARES):
            own[user, j] += own[visitor, j]
        else:
            own[user, j] = (own[visitor, j] * of_visitor + own[user, j] * of_user) / total


@kernel_inner
def evict_item(state, row):
    """Another item gets the row."""
    state.ratings.items[row, :] = np.float32(0.0)


@kernel_inner
def evict_user(state, row):
    """Another user gets the row."""
    state.ratings.users[row, :] = np.float32(0.0)


def predicted(own: RatingState, user: int, items: NDArray[np.int32]) -> NDArray[np.float64]:
    """As the kernel `predict`, float64 [n] of one user (row, below 0 = unknown) and n items (rows)."""
    heights = own.items[items, BIAS].astype(np.float64)
    if user >= 0:
        heights += own.users[user, BIAS] + own.items[items, FACTORS:] @ own.users[user, FACTORS:]
    deviation = math.sqrt(own.scale[VARIANCE]) if own.scale[VARIANCE] > LEAST_VARIANCE else 1.0
    found: NDArray[np.float64] = own.scale[MEAN] + deviation * heights
    return found
