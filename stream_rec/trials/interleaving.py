"""Two arms in one slate: who drafted which item, and which arm users prefer by their clicks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.trials.estimates import Estimate
from stream_rec.trials.sequences import TUNED_USERS, Interval, p_value, two_sided

A, B = 0, 1


class Drafted(NamedTuple):
    """A slate of two teams.

    Attributes:
        items: best first, none twice.
        teams: of each item, `A` or `B`.
    """

    items: list[int]
    teams: list[int]


def team_draft(a: Sequence[int], b: Sequence[int], k: int, coins: Sequence[bool]) -> Drafted:
    """Mix two rankings as captains choose teams (Radlinski, Kurup & Joachims 2008, CIKM, algorithm 2).

    In each round both arms take their best item that is not yet in the slate; a coin says who is first. So both teams
    have the same number of items (but for the last), at places that are equally good on average, and with equal
    rankings neither arm is preferred.

    Args:
        a: ranking of arm A, best first; need not be longer than k.
        b: of arm B.
        k: length of the slate.
        coins: of each round, true = A is first; at least (k + 1) // 2.
    """
    rankings = (list(dict.fromkeys(a)), list(dict.fromkeys(b)))
    at = [0, 0]
    items: list[int] = []
    teams: list[int] = []
    taken: set[int] = set()
    for coin in coins:
        for team in (A, B) if coin else (B, A):
            ranking = rankings[team]
            while at[team] < len(ranking) and ranking[at[team]] in taken:
                at[team] += 1
            if at[team] < len(ranking) and len(items) < k:
                taken.add(ranking[at[team]])
                items.append(ranking[at[team]])
                teams.append(team)
    return Drafted(items, teams)


class Preferences(NamedTuple):
    """How many users prefer which arm. Sums over disjoint users.

    Attributes:
        for_a: users with more credit (clicks, purchases) for items of A.
        for_b: with more for B.
        ties: with credit, and as much for both.
    """

    for_a: int
    for_b: int
    ties: int

    @classmethod
    def of_credits(cls, credits_a: NDArray[np.float64], credits_b: NDArray[np.float64]) -> Preferences:
        """Of credits by user [n]; users without any say nothing."""
        signs = np.sign(credits_b - credits_a)
        silent = (credits_a == 0) & (credits_b == 0)
        return cls(int((signs < 0).sum()), int((signs > 0).sum()), int(((signs == 0) & ~silent).sum()))

    @property
    def n(self) -> int:
        """Users with a say."""
        return self.for_a + self.for_b + self.ties


class Verdict(NamedTuple):
    """Which arm users prefer.

    Attributes:
        preference: from -1 (all prefer A) to 1 (all prefer B).
        interval: a confidence sequence for it.
        p_value: always valid, against 0.
    """

    preference: float
    interval: Interval
    p_value: float


def verdict(found: Preferences, alpha: float = 0.05, tuned: float = TUNED_USERS) -> Verdict:
    """The mean sign of the users' preferences, with its confidence sequence.

    The statistic of Chapelle, Joachims, Radlinski & Yue (2012, "Large-Scale Validation and Analysis of Interleaved
    Search Evaluation", TOIS 30, section 3.3), times 2: (wins of B - wins of A) / all; ties count as half of each. The
    unit is the user, so a user with many clicks says no more than one with few. It says which arm is better, and
    nothing about by how much any outcome differs.
    """
    at = preference(found)
    return Verdict(at.value, two_sided(at, alpha, tuned), p_value(at, alpha, tuned))


def preference(found: Preferences) -> Estimate:
    """The mean of the users' signs, +1 for B, with its variance.

    Where all are of one mind that would be 0, and the clearest verdict none: then it is what one more user would make
    of it who is of another (Agresti & Caffo 2000; as `estimates.one_otherwise`).
    """
    if found.n < 2:
        return Estimate(found.n, 0.0, 0.0)
    variance = _variance(found) or _variance(found._replace(**{"for_b" if found.for_a else "for_a": 1}))
    return Estimate(found.n, (found.for_b - found.for_a) / found.n, variance)


def _variance(found: Preferences) -> float:
    mean = (found.for_b - found.for_a) / found.n
    squares = (found.for_a + found.for_b) / found.n
    return (squares - mean * mean) / (found.n - 1)
