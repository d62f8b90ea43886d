"""Users of a simulated shop who look at slates: some always, many hardly ever, and with one click a slate at most.

A user is *engaged* in a slate with a probability of his own (Beta(.3, .42), mean .42: four of ten users in less than a
tenth of their slates). Who is goes down the slate: the next item is looked at with probability .9, and clicked by its
attraction, which ends it (a cascade with position bias, Craswell et al. 2008). How many slates a user sees is
geometric, 8 on average; users come one after another, and the slates of forty of them are mixed.

Two rankings share every other item; those of their own are alike (A/A), or such that the clicks by slate differ by a
planted share. So clicks by slate are .22, and vary by user about as much as shops see.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.trials.interleaving import team_draft

K = 10
GOES_ON, ATTRACTION = 0.9, 0.12
ENGAGED = (0.3, 0.42)
SLATES_BY_USER = 8
_MIXED = 40
_ROUNDS = (K + 1) // 2
_Floats = NDArray[np.float64]


class Slates(NamedTuple):
    """Slates in the order in which they are shown.

    Attributes:
        users: [n], whose; from 0, in order of first appearance or nearly so.
        luck: [n]: a click stands where the chance of a click so far exceeds it.
        before: [users]: clicks of the user before the experiment.
    """

    users: NDArray[np.int64]
    luck: _Floats
    before: _Floats


def slates(n: int, chance: np.random.Generator) -> Slates:
    """The next n slates of a shop."""
    n_users = n // SLATES_BY_USER + 2 * _MIXED
    engaged = chance.beta(*ENGAGED, n_users)
    seen = chance.geometric(1 / SLATES_BY_USER, n_users)
    users = np.repeat(np.arange(n_users), seen)
    order = np.argsort(users + chance.uniform(0, _MIXED, len(users)), kind="stable")
    users = users[order][:n]
    before = chance.binomial(
        chance.geometric(1 / SLATES_BY_USER, n_users), engaged * up_to(attractions(0.0))[-1]
    )
    with np.errstate(divide="ignore"):
        luck = chance.random(len(users)) / engaged[users]
    return Slates(users, luck, before.astype(np.float64))


def attractions(lift: float) -> _Floats:
    """[K]: of the items of a ranking whose clicks by slate are higher by this share."""
    plain = np.full(K, ATTRACTION)
    if lift == 0.0:
        return plain
    wanted = up_to(plain)[-1] * (1 + lift)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if up_to(_own(middle))[-1] < wanted else (low, middle)
    return _own(high)


def up_to(of_items: _Floats) -> _Floats:
    """[..., K]: the chance that who is engaged has clicked at a place or before it."""
    left = np.cumprod(GOES_ON * (1 - of_items), axis=-1) / (GOES_ON * (1 - of_items)) * 1.0
    return np.asarray(np.cumsum(left * of_items, axis=-1))


class Mixed(NamedTuple):
    """Every slate that a team draft of both rankings can make.

    Attributes:
        up_to: [coins, K]: chances of a click, as `up_to`.
        is_b: [coins, K]: is the item of B's team?
    """

    up_to: _Floats
    is_b: NDArray[np.bool_]


def mixed(lift: float) -> Mixed:
    """Of the plain ranking, A, and one with this lift, B, by the coins of a draft."""
    of_a = list(range(K))
    of_b = [item if item % 2 == 0 else K + item for item in of_a]
    attraction = dict(zip(of_a, attractions(0.0), strict=True)) | dict(
        zip(of_b, attractions(lift), strict=True)
    )
    drafts = [team_draft(of_a, of_b, K, coins) for coins in product((True, False), repeat=_ROUNDS)]
    of_items = np.array([[attraction[item] for item in each.items] for each in drafts])
    return Mixed(up_to(of_items), np.array([each.teams for each in drafts]) == 1)


def _own(attraction: float) -> _Floats:
    """The shared items as they are, every other one with this attraction."""
    return np.where(np.arange(K) % 2 == 0, ATTRACTION, attraction)
