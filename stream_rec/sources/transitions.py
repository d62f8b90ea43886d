"""Transitions: how often one item follows another within a session.

Three tables of sparse rows: directly after (a first-order Markov chain), 2 to 5 items after (sequential rules, weighted
1 / distance), and directly before. Features are shares of a row, so that rows of popular items do not drown the others.

Update: for the session's last distinct items j (distance d): weight[j, item] += w / d, w decayed forwards.
Source: "sequential rules" and "Markov chains" in Ludewig, Jannach, "Evaluation of Session-based Recommendation
Algorithms", UMUAI 28, 2018, sections 3.1.
"""

from __future__ import annotations

import math

import numpy as np

from stream_rec.kernels.transitions import TransitionState

HALF_LIFE = 30 * 86_400.0
"""Seconds."""
NEXT_WIDTH, LATER_WIDTH, BACK_WIDTH = 80, 64, 48
"""Entries of a row."""


def empty(n_items: int) -> TransitionState:
    """No transitions yet."""
    return TransitionState(
        next_codes=np.zeros((n_items, NEXT_WIDTH), np.int32),
        next_weights=np.zeros((n_items, NEXT_WIDTH), np.float32),
        later_codes=np.zeros((n_items, LATER_WIDTH), np.int32),
        later_weights=np.zeros((n_items, LATER_WIDTH), np.float32),
        back_codes=np.zeros((n_items, BACK_WIDTH), np.int32),
        back_weights=np.zeros((n_items, BACK_WIDTH), np.float32),
        clock=np.array([math.log(2) / HALF_LIFE, 0.0]),
    )
