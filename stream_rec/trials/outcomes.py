"""What happened to an arm's users, in bounded memory: totals by bucket of users, from which all moments follow.

Users fall into buckets by their hash. A bucket is a sum over its users, so buckets are as independent of each other as
users are, and variances between buckets are variances between users, whether a bucket holds one or ten thousand. So
memory does not depend on the number of users, and tables of several workers are added up.

Each amount counts once for every call: who reads a log must keep its offsets with the table, so that neither a repeat
nor a redelivery is added twice. What comes late is added where it belongs, since nothing depends on the order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.trial_state import N_BUCKETS, OUTCOMES
from stream_rec.trials.moments import Floats, Moments


class Outcomes:
    """Outcomes of users by arm. Not thread-safe.

    Args:
        arms: names; the first is the control.
        n_buckets: by arm; a power of two.
    """

    def __init__(self, arms: Sequence[str], n_buckets: int = N_BUCKETS) -> None:
        if n_buckets < 2 or n_buckets & (n_buckets - 1):
            raise ValueError(f"{n_buckets} buckets: a power of two")
        self.arms = tuple(arms)
        self._totals = np.zeros((len(self.arms), n_buckets, len(OUTCOMES)))

    def add(
        self,
        arms: NDArray[np.int64],
        users: NDArray[np.uint64],
        outcomes: NDArray[np.int64],
        amounts: Floats,
    ) -> None:
        """Add n amounts.

        Args:
            arms: [n], indices of arms.
            users: [n], hashes of users.
            outcomes: [n], indices of `OUTCOMES`.
            amounts: [n]; an amount that is taken back is negative.
        """
        n_buckets = np.uint64(self._totals.shape[1])
        buckets = (users & (n_buckets - np.uint64(1))).astype(np.int64)
        np.add.at(self._totals, (arms, buckets, outcomes), amounts)

    def merge(self, other: Outcomes) -> None:
        """Add what another table has, of other events.

        Raises:
            ValueError: it has other arms or buckets.
        """
        if other.arms != self.arms or other._totals.shape != self._totals.shape:
            raise ValueError("outcomes of other arms or with other buckets")
        self._totals += other._totals

    def moments(self, arm: str) -> Moments:
        """Of an arm, a bucket as unit; net revenue is the outcome `net`."""
        totals = self._totals[self.arms.index(arm)]
        net = totals[:, _REVENUE] - totals[:, _REFUND]
        return Moments.of_units((*OUTCOMES, "net"), np.column_stack([totals, net]))

    def by_arm(self) -> dict[str, Moments]:
        """Of all arms: what decisions and readings are made of."""
        return {arm: self.moments(arm) for arm in self.arms}

    def array(self) -> Floats:
        """The whole table [arms, buckets, outcomes]: what a snapshot keeps."""
        return self._totals

    def load(self, table: Floats) -> None:
        """Take over what `array` gave.

        Raises:
            ValueError: it is of other arms or with other buckets.
        """
        if table.shape != self._totals.shape:
            raise ValueError(f"a table of {table.shape}, not {self._totals.shape}")
        self._totals[:] = table


_REVENUE, _REFUND = OUTCOMES.index("revenue"), OUTCOMES.index("refund")
