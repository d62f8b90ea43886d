"""What the join of impressions and interactions holds: rings of records, the columns of the sums, the counters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.records import record
from stream_rec.kernels.shown import Cells, ItemCounts
from stream_rec.kernels.trial_state import TrialState

CONVERSION, DWELL, JOINED, UNPRICED, IN_CART, GIVEN_BACK, LEFT_OUT = 1, 2, 4, 8, 16, 32, 64
"""Bits of an interaction's kind; JOINED = it has been credited to an impression, UNPRICED = its value is no price,
GIVEN_BACK = a refund that has lowered what an arm earned, LEFT_OUT = one that had lowered nothing when it came."""
CLICKED, CONVERTED, CARTED, BOUGHT = 1, 2, 16, 32
"""Bits of a place: what has been credited to it; BOUGHT = to its arm: a refund may be learned before its purchase. 4
and 8 are teams (kernels.trial_state)."""

(
    IMPRESSIONS,
    PLACES,
    CLICKED_IMPRESSIONS,
    CLICKED_PLACES,
    CLICK_RANKS,
    CONVERSIONS,
    VALUED_CONVERSIONS,
    CONVERSION_VALUE,
    DWELLS,
    DWELL_SECONDS,
    NOVELTY_BITS,
    CUT_SHORT,
    REFUND_VALUE,
) = range(13)
"""Columns of a cell's sums. None of them ever falls: what is negative has a column of its own."""
N_SUMS = 13

MAX_WALK = 32
"""Entries of one chain that are looked at, newest first: one flood of a user costs no more than this."""

COUNTERS = record(
    [
        ("next_exposure", np.int64),  # number of the next impression
        ("oldest_exposure", np.int64),  # number of the oldest one that is still open
        ("next_place", np.int64),  # number of the next place
        ("next_interaction", np.int64),  # number of the next interaction
        ("lost_outcomes", np.int64),  # outcomes whose impression's cell was already overwritten
        ("lost_ms", np.int64),  # event time of the latest interaction that another one took the place of
    ]
)
"""Where the rings stand. Numbers grow for ever."""

EXPOSURE = record(
    [
        ("user", np.uint64),  # hash
        ("ts", np.float64),
        ("before", np.int64),  # chain
        ("signature", np.uint64),  # one bit per item: says at once that most items are not there
        ("first", np.int64),  # number of its first place in the ring of places
        ("cell", np.int64),  # number of the cell it is counted in
        ("length", np.int32),  # places
        ("clicked", np.int32),  # 1 = some place was clicked
        ("slate", np.uint64),  # hash of its id
        ("trial", np.int64),  # arm of an experiment (kernels.trial_state), NO_TRIAL = of none
    ]
)
"""An open impression; what a walk along a chain reads stands together, for the sake of the processor's cache."""

INTERACTION = record(
    [
        ("user", np.uint64),  # hash
        ("ts", np.float64),
        ("before", np.int64),  # chain
        ("item", np.uint32),  # fingerprint
        ("value", np.float32),  # NaN = none
        ("kind", np.int64),  # bits CONVERSION, DWELL, JOINED, ...
        ("slate", np.uint64),  # hash of the slate that it names, 0 = none: any
    ]
)
"""An interaction that an impression may still be joined with."""


class Ring(NamedTuple):
    """Entries with B hash chains by user.

    Attributes:
        entries: EXPOSURE or INTERACTION [n].
        heads: int64 [B], B a power of two.
    """

    entries: NDArray[np.void]
    heads: NDArray[np.int64]


class Places(NamedTuple):
    """Ring of the places of all open impressions.

    Attributes:
        item: uint32 [p], fingerprint.
        done: uint8 [p], bits CLICKED, CONVERTED.
    """

    item: NDArray[np.uint32]
    done: NDArray[np.uint8]


class AttributionState(NamedTuple):
    """All of it; `counters` is COUNTERS [1]."""

    exposures: Ring
    places: Places
    interactions: Ring
    items: ItemCounts
    cells: Cells
    counters: NDArray[np.void]
    trials: TrialState
