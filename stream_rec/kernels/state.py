"""The whole state of the engine as one nested tuple of arrays, and the working memory of one query."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.factors import FactorRates, FactorState
from stream_rec.kernels.histories import HistoryState
from stream_rec.kernels.item_neighbours import ItemNeighbourState
from stream_rec.kernels.neighbours import NeighbourScratch, NeighbourState
from stream_rec.kernels.popularity import PopularityState
from stream_rec.kernels.ranker import RankerRates, RankerState
from stream_rec.kernels.transitions import TransitionState
from stream_rec.kernels.vocabulary import VocabularyState

N_LEARNED, N_ITEMS_CHANGED = 0, 1


class State(NamedTuple):
    """Everything that is learned.

    Attributes:
        users: vocabulary of users.
        items: vocabulary of items.
        generation: uint8 [items], see kernels.codes.
        first_seen: float64 [items], event time of an item's first event, or its catalogue time.
        newest: int32 [n], codes of the items that came last, a ring.
        n_newest: int64 [1].
        counters: int64 [4], N_LEARNED (events) and N_ITEMS_CHANGED (catalogue records).
        clock: float64 [1], the latest event time.
        histories, popularity, transitions, neighbours, item_neighbours, factors, ranker: the sources' and the
            ranker's own.
    """

    users: VocabularyState
    items: VocabularyState
    generation: NDArray[np.uint8]
    first_seen: NDArray[np.float64]
    newest: NDArray[np.int32]
    n_newest: NDArray[np.int64]
    counters: NDArray[np.int64]
    clock: NDArray[np.float64]
    histories: HistoryState
    popularity: PopularityState
    transitions: TransitionState
    neighbours: NeighbourState
    item_neighbours: ItemNeighbourState
    factors: FactorState
    ranker: RankerState


class Rates(NamedTuple):
    """Settings that the kernels need; they never change while an engine lives.

    sources bool [S]: switched on; source_of int64 [D]: which source each feature belongs to.
    """

    session_gap: float
    neighbour_sample: int
    n_neighbours: int
    match_window: int
    history_items: int
    row_entries: int
    cosine_shrink: float
    item_age_seconds: float
    factors: FactorRates
    ranker: RankerRates
    sources: NDArray[np.bool_]
    source_of: NDArray[np.int64]


class Scratch(NamedTuple):
    """Working memory of one query; C = candidates at most, D = features, U = hidden units.

    Attributes:
        table: int64 [T], from item row to candidate, see kernels.candidates.
        codes: int32 [C], the candidates.
        features: float32 [D, C], 0 behind the candidates.
        because: int32 [C], code of the user's item that brought the candidate in, NO_CODE = none.
        found: uint8 [C], 1 = some source but the vector index found it.
        scores: float32 [C].
        units: float32 [U, C], the ranker's hidden units.
        slopes: float32 [D], how much each feature moves the scores of this query.
        loudness: float32 [sources], what each source says of one candidate.
        voices: float32 [C], what one source says of each.
        competes: bool [C], may a candidate stand above the target.
        session_codes, session_steps, session_counts: int32 [S], the session, newest first.
        past_codes, past_steps: int32 [H], the long history.
        shares: float32 [S].
        vector, gradient: float32 [F].
        picks, errors: int32, float32 [negatives + 1].
        session_decay, match_decay: float32 tables by step.
        query: int64 [4]: stamp, number of candidates, length of the session, length of the history.
        neighbours: of the session neighbours.
        left_out: bool [items], takes no part in the ranking that is judged next.
    """

    table: NDArray[np.int64]
    codes: NDArray[np.int32]
    features: NDArray[np.float32]
    because: NDArray[np.int32]
    found: NDArray[np.uint8]
    scores: NDArray[np.float32]
    loudness: NDArray[np.float32]
    voices: NDArray[np.float32]
    competes: NDArray[np.bool_]
    units: NDArray[np.float32]
    slopes: NDArray[np.float32]
    session_codes: NDArray[np.int32]
    session_steps: NDArray[np.int32]
    session_counts: NDArray[np.int32]
    past_codes: NDArray[np.int32]
    past_steps: NDArray[np.int32]
    shares: NDArray[np.float32]
    vector: NDArray[np.float32]
    gradient: NDArray[np.float32]
    picks: NDArray[np.int32]
    errors: NDArray[np.float32]
    session_decay: NDArray[np.float32]
    match_decay: NDArray[np.float32]
    query: NDArray[np.int64]
    neighbours: NeighbourScratch
    left_out: NDArray[np.bool_]
