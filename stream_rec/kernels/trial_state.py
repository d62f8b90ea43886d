"""What users of experiments did: totals by arm and bucket of users, and what must be remembered of each user."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.records import record

OUTCOMES = (
    "user",
    "shown",
    "click",
    "dwell",
    "session",
    "bounce",
    "cart",
    "purchase",
    "revenue",
    "refund",
    "click_before",
    "revenue_before",
)
"""What is counted. `user` is 1 at a user's first slate of the arm; `shown` slates; `dwell` seconds; `session`s with a
slate and how many of them were a `bounce`, one event after it; `revenue` of purchases and `refund`s, both 0 or more;
and the users' clicks and net revenue of the time before their first slate (CUPED)."""
(
    USER,
    SHOWN,
    CLICK,
    DWELL_TIME,
    SESSION,
    BOUNCE,
    CART,
    PURCHASE,
    REVENUE,
    REFUND,
    CLICK_BEFORE,
    REVENUE_BEFORE,
) = range(12)
N_BUCKETS = 1024
"""A variance over so many is known to within 4.4 % (one standard error, sqrt(2 / 1023))."""
MAX_ARMS = 8
NO_TRIAL = -1
"""Of an impression that is of no arm. Else it is slot * MAX_ARMS + arm."""
TEAM_A, TEAM_B = 4, 8
"""Bits of a place of an interleaved slate: which arm brought the item. Others: kernels.attribution_state."""

TRIAL_USER = record(
    [
        ("user", np.uint64),  # hash; 0 = forgotten
        ("began", np.float64),  # event time of the first slate of the present session, and
        ("last", np.float64),  # of the latest slate or event in it
        ("owner", np.int32),  # slot of the experiment + 1; 0 = free
        ("arm", np.int32),  # that the user was shown last
        ("after", np.int32),  # events after the first slate of the present session; -1 = no session is open
        ("clicks_a", np.float32),  # of items that the control brought, and
        ("clicks_b", np.float32),  # of those that the other arm did: of interleaved slates
        ("past", np.float32),  # events before the first slate of the experiment
    ]
)
"""A user in one experiment."""
PURCHASE_MADE = record(
    [
        ("user", np.uint64),  # hash; 0 = forgotten, or of an experiment that has given way to another
        ("ts", np.float64),  # event time
        ("before", np.int64),  # chain
        ("trial", np.int64),  # the arm that it was credited to: slot * MAX_ARMS + arm
        ("item", np.uint32),  # fingerprint
    ]
)
"""A purchase that an arm was credited with: a refund of it may come weeks later, and lowers what that arm earned."""
TRIAL_COUNTERS = record(
    [
        ("n_users", np.int64),  # entries that are taken
        ("left_out", np.int64),  # slates of users for whom there was no room
        ("next_purchase", np.int64),  # number of the next one
        ("refunds_left_out", np.int64),  # refunds by users of experiments that have lowered nothing
    ]
)
"""Where the table and the ring stand, and what they had no room for."""


class TrialState(NamedTuple):
    """T entries with linear probing, T a power of two; S experiments.

    Attributes:
        users: TRIAL_USER [T]; three quarters are used at most.
        totals: float64 [S, MAX_ARMS, N_BUCKETS, outcomes].
        in_use: bool [S].
        counters: TRIAL_COUNTERS [1].
        purchases: PURCHASE_MADE [P], a ring with chains by user and item (kernels.attribution).
        purchase_heads: int64 [B], B a power of two.
    """

    users: NDArray[np.void]
    totals: NDArray[np.float64]
    in_use: NDArray[np.bool_]
    counters: NDArray[np.void]
    purchases: NDArray[np.void]
    purchase_heads: NDArray[np.int64]


def empty(n_users: int, n_slots: int) -> TrialState:
    """Nothing was shown. Arrays of zeros cost no memory until they are touched.

    Args:
        n_users: entries that may be used, at least; as many purchases are remembered.
        n_slots: experiments.
    """
    return TrialState(
        users=np.zeros(1 << max(3, (n_users * 4 // 3).bit_length()), TRIAL_USER),
        totals=np.zeros((n_slots, MAX_ARMS, N_BUCKETS, len(OUTCOMES))),
        in_use=np.zeros(n_slots, np.bool_),
        counters=np.zeros(1, TRIAL_COUNTERS),
        purchases=np.zeros(n_users, PURCHASE_MADE),
        purchase_heads=np.full(1 << (n_users - 1).bit_length(), -1, np.int64),
    )
