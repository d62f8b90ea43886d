"""Session neighbours: recent sessions that share items with this one vote for what came after and before.

Per item a ring of its most recent sessions. A session's similarity is the sum, over the shared items, of a weight that
falls with the item's age in the current session; the most similar sessions vote for the items around their match with
a weight that falls with the distance from it.

Update: an item's first event in a session is pushed on the item's ring; nothing else is kept, nothing is recomputed.
Source: VMIS-kNN, Kersbergen, Sprangers, Schelter, "Serenade", SIGMOD 2022, section 3; the decay by distance from the
match as in VSTAN, Ludewig, Mauro, Latifi, Jannach, "Empirical analysis of session-based recommendation algorithms",
UMUAI 31, 2021.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.neighbours import ENTRY_BITS, NeighbourScratch, NeighbourState

N_NEIGHBOURS = 100
MATCH_WINDOW = 10
"""Events before and after the match that get a vote."""
SESSION_DECAY_STEPS = 1.5
MATCH_DECAY_STEPS = 5.0
MAX_ACCUMULATORS = 1 << ENTRY_BITS
"""Sessions looked at for one query, at most."""


def empty(n_items: int, ring_length: int) -> NeighbourState:
    """Empty rings."""
    return NeighbourState(
        users=np.zeros((n_items, ring_length), np.int32),
        places=np.zeros((n_items, ring_length), np.uint8),
        pushed=np.zeros(n_items, np.int64),
    )


def scratch() -> NeighbourScratch:
    """Working memory of one query."""
    m = MAX_ACCUMULATORS
    return NeighbourScratch(
        table=np.zeros(2 * m, np.int64),
        users=np.zeros(m, np.int32),
        similarity=np.zeros(m, np.float32),
        item=np.zeros(m, np.int32),
        place=np.zeros(m, np.uint8),
        last=np.zeros(m, np.int32),
        histogram=np.zeros(256, np.int32),
        chosen=np.zeros(m, np.int32),
        query=np.zeros(1, np.int64),
    )
