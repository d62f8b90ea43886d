"""Empty state, scratch and rates from the settings and the models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import candidates, vocabulary
from stream_rec.kernels.histories import HistoryState
from stream_rec.kernels.state import Rates, Scratch, State
from stream_rec.settings import EngineSettings
from stream_rec.sources import factorization, item_neighbours, neighbours, popularity, ranker, transitions

N_NEWEST = 16
MAX_CANDIDATES = 1024
OFF_BY_A_LINE = 16
"""Columns a power of two apart would all fall into the same few lines of the cache."""
MAX_SESSION = 16
ITEM_AGE_SECONDS = 86_400.0
INITIAL_ARENA_BYTES = 1 << 16


def n_features(settings: EngineSettings) -> int:
    """Columns of the feature table: the kernels' own, and one for each river model."""
    return candidates.N_FEATURES + len(settings.river_sources)


def _source_of(settings: EngineSettings) -> NDArray[np.int64]:
    own = len(candidates.SOURCES)
    rivers = np.arange(own, own + len(settings.river_sources), dtype=np.int64)
    return np.concatenate([candidates.SOURCE_OF, rivers])


def empty_state(settings: EngineSettings) -> State:
    """The state before the first event. Arrays of zeros cost no memory until they are touched."""
    users, items = settings.max_users, settings.max_items
    longest = max(s.k for s in settings.scenarios.values())
    return State(
        users=vocabulary.empty(users, INITIAL_ARENA_BYTES),
        items=vocabulary.empty(items, INITIAL_ARENA_BYTES),
        generation=np.ones(items, np.uint8),
        first_seen=np.zeros(items, np.float64),
        newest=np.zeros(N_NEWEST, np.int32),
        n_newest=np.zeros(1, np.int64),
        counters=np.zeros(4, np.int64),
        clock=np.zeros(1, np.float64),
        histories=HistoryState(
            items=np.zeros((users, settings.history_length), np.int32),
            n_events=np.zeros(users, np.uint32),
            session_start=np.zeros(users, np.uint32),
            session=np.zeros(users, np.uint64),
        ),
        popularity=popularity.empty(items, longest),
        transitions=transitions.empty(items),
        neighbours=neighbours.empty(items, settings.ring_length),
        item_neighbours=item_neighbours.empty(items),
        factors=factorization.empty(users, items, settings.n_factors),
        ranker=ranker.empty(n_features(settings)),
    )


def rates(settings: EngineSettings) -> Rates:
    """What the kernels need of the settings."""
    return Rates(
        session_gap=settings.session_gap_seconds,
        neighbour_sample=settings.ring_length,
        n_neighbours=neighbours.N_NEIGHBOURS,
        match_window=neighbours.MATCH_WINDOW,
        history_items=item_neighbours.HISTORY_ITEMS,
        row_entries=item_neighbours.ROW_ENTRIES,
        cosine_shrink=item_neighbours.SHRINK,
        item_age_seconds=ITEM_AGE_SECONDS,
        factors=factorization.RATES,
        ranker=ranker.RATES,
        sources=np.array([source in settings.sources for source in candidates.SOURCES]),
        source_of=_source_of(settings),
    )


def scratch(settings: EngineSettings) -> Scratch:
    """Working memory of one thread."""
    n_picks = factorization.RATES.n_negatives + 1
    return Scratch(
        table=np.zeros(4 * MAX_CANDIDATES, np.int64),
        codes=np.zeros(MAX_CANDIDATES, np.int32),
        features=np.zeros((n_features(settings), MAX_CANDIDATES + OFF_BY_A_LINE), np.float32),
        because=np.zeros(MAX_CANDIDATES, np.int32),
        found=np.zeros(MAX_CANDIDATES, np.uint8),
        scores=np.zeros(MAX_CANDIDATES, np.float32),
        loudness=np.zeros(len(candidates.SOURCES) + len(settings.river_sources), np.float32),
        voices=np.zeros(MAX_CANDIDATES, np.float32),
        competes=np.zeros(MAX_CANDIDATES, np.bool_),
        units=np.zeros((ranker.N_HIDDEN, MAX_CANDIDATES + OFF_BY_A_LINE), np.float32),
        slopes=np.zeros(n_features(settings), np.float32),
        session_codes=np.zeros(MAX_SESSION, np.int32),
        session_steps=np.zeros(MAX_SESSION, np.int32),
        session_counts=np.zeros(MAX_SESSION, np.int32),
        past_codes=np.zeros(settings.history_length, np.int32),
        past_steps=np.zeros(settings.history_length, np.int32),
        shares=np.zeros(MAX_SESSION, np.float32),
        vector=np.zeros(settings.n_factors, np.float32),
        gradient=np.zeros(settings.n_factors, np.float32),
        picks=np.zeros(n_picks, np.int32),
        errors=np.zeros(n_picks, np.float32),
        session_decay=_decay(MAX_SESSION, neighbours.SESSION_DECAY_STEPS),
        match_decay=_decay(neighbours.MATCH_WINDOW + 2, neighbours.MATCH_DECAY_STEPS),
        query=np.zeros(4, np.int64),
        neighbours=neighbours.scratch(),
        left_out=np.zeros(settings.max_items, np.bool_),
    )


def _decay(n: int, steps: float) -> NDArray[np.float32]:
    return np.exp(-np.arange(n) / steps).astype(np.float32)
