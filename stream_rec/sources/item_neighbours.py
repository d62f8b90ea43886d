"""Item neighbours over the long history: which items live in the same users' histories.

similarity(i, j) = n_ij / (sqrt(n_i n_j) + shrink), n_ij users with both, n_i users with i; a candidate's score is the
sum over the items of the user's history.

Update: when an item enters a user's history, n_ij += 1 both ways for every other item there.
Source: Deshpande, Karypis, "Item-based top-N recommendation algorithms", TOIS 22(1), 2004, section 4, with counts kept
incrementally as in Miranda, Jorge, "Incremental collaborative filtering for binary ratings", WI 2008; the shrinkage of
Bell, Koren, ICDM 2007.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.item_neighbours import ItemNeighbourState

WIDTH = 64
"""Entries of a row."""
SHRINK = 10.0
HISTORY_ITEMS, ROW_ENTRIES = 32, 32
"""What one query reads: items of the history, newest first, and entries of each one's row."""


def empty(n_items: int) -> ItemNeighbourState:
    """No counts yet."""
    return ItemNeighbourState(
        codes=np.zeros((n_items, WIDTH), np.int32),
        counts=np.zeros((n_items, WIDTH), np.float32),
        degree=np.zeros(n_items, np.float32),
    )
