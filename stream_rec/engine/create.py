"""Empty state, scratch and rates from the settings: the one place that knows every array's size."""

from __future__ import annotations

import math

import numpy as np

from stream_rec.kernels import candidates
from stream_rec.kernels.factors import FactorRates, FactorState
from stream_rec.kernels.histories import HistoryState
from stream_rec.kernels.item_neighbours import ItemNeighbourState
from stream_rec.kernels.neighbours import NeighbourScratch, NeighbourState
from stream_rec.kernels.popularity import PopularityState
from stream_rec.kernels.ranker import RankerState
from stream_rec.kernels.state import Rates, Scratch, State
from stream_rec.kernels.transitions import TransitionState
from stream_rec.kernels.vocabulary import VocabularyState
from stream_rec.settings import EngineSettings

HALF_LIVES = (3600.0, 86_400.0, 30 * 86_400.0)
"""Of the three popularities, in seconds: trending, popular, all the time."""
NEXT_WIDTH, LATER_WIDTH, BACK_WIDTH, COSINE_WIDTH = 80, 64, 48, 64
TRANSITION_HALF_LIFE = 30 * 86_400.0
N_TOP = 100
N_NEWEST = 32
N_RECENT = 16_384
N_TAGS, TAGS_PER_ITEM = 4096, 8
MAX_CANDIDATES = 1024
MAX_SESSION = 16
MAX_ACCUMULATORS = 4096
INITIAL_ARENA_BYTES = 1 << 16

PRIOR = {
    candidates.AFTER: 3.0,
    candidates.BEFORE: 0.5,
    candidates.NEXT: 2.0,
    candidates.NEXT_OLDER: 1.0,
    candidates.LATER: 1.0,
    candidates.BACK: 0.5,
    candidates.COSINE: 2.0,
    candidates.VECTOR: 0.3,
    candidates.POPULAR_SHORT: 0.5,
    candidates.POPULAR_MIDDLE: 0.5,
    candidates.POPULAR_LONG: 0.5,
}
"""The ranker's weights before the first event: what a stranger to the data would guess."""


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 1).bit_length()


def _vocabulary(rows: int) -> VocabularyState:
    return VocabularyState(
        slots=np.zeros(_power_of_two(2 * rows), np.int32),
        hashes=np.zeros(rows, np.uint64),
        starts=np.zeros(rows, np.int64),
        lengths=np.zeros(rows, np.int32),
        seen=np.zeros(rows, np.float64),
        arena=np.zeros(INITIAL_ARENA_BYTES, np.uint8),
        scalars=np.zeros(8, np.int64),
    )


def _popularity(items: int, n_top: int) -> PopularityState:
    n = len(HALF_LIVES)
    return PopularityState(
        scores=np.zeros((n, items), np.float64),
        rates=np.array([math.log(2) / h for h in HALF_LIVES]),
        landmarks=np.zeros(n, np.float64),
        top=np.full((n, n_top), -1, np.int32),
        listed=np.zeros((n, items), np.bool_),
        floor=np.zeros(n, np.float64),
        eligible=np.ones(items, np.bool_),
    )


def _transitions(items: int) -> TransitionState:
    return TransitionState(
        next_codes=np.zeros((items, NEXT_WIDTH), np.int32),
        next_weights=np.zeros((items, NEXT_WIDTH), np.float32),
        later_codes=np.zeros((items, LATER_WIDTH), np.int32),
        later_weights=np.zeros((items, LATER_WIDTH), np.float32),
        back_codes=np.zeros((items, BACK_WIDTH), np.int32),
        back_weights=np.zeros((items, BACK_WIDTH), np.float32),
        clock=np.array([math.log(2) / TRANSITION_HALF_LIFE, 0.0]),
    )


def _factors(users: int, items: int, width: int) -> FactorState:
    return FactorState(
        users=np.zeros((users, width), np.float32),
        user_squares=np.zeros(users, np.float32),
        inputs=np.zeros((items, width), np.float32),
        input_squares=np.zeros(items, np.float32),
        items=np.zeros((items, width), np.float32),
        item_squares=np.zeros(items, np.float32),
        recent=np.zeros(N_RECENT, np.int32),
        n_recent=np.zeros(1, np.int64),
        dirty=np.zeros(items, np.bool_),
        tag_items=np.zeros((N_TAGS, width), np.float32),
        tag_inputs=np.zeros((N_TAGS, width), np.float32),
        tags=np.zeros((items, TAGS_PER_ITEM), np.int32),
    )


def _ranker() -> RankerState:
    shared = np.zeros(candidates.N_FEATURES, np.float32)
    for feature, weight in PRIOR.items():
        shared[feature] = weight
    shape = (candidates.N_CONTEXTS, candidates.N_FEATURES)
    return RankerState(
        shared=shared,
        own=np.zeros(shape, np.float32),
        shared_squares=np.full(candidates.N_FEATURES, 1.0, np.float32),
        own_squares=np.full(shape, 1.0, np.float32),
    )


def empty_state(settings: EngineSettings) -> State:
    """The state before the first event. Arrays of zeros cost no memory until they are touched."""
    users, items = settings.max_users, settings.max_items
    longest = max((s.k for s in settings.scenarios.values()), default=20)
    return State(
        users=_vocabulary(users),
        items=_vocabulary(items),
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
        popularity=_popularity(items, max(N_TOP, 2 * longest)),
        transitions=_transitions(items),
        neighbours=NeighbourState(
            users=np.zeros((items, settings.ring_length), np.int32),
            places=np.zeros((items, settings.ring_length), np.uint8),
            pushed=np.zeros(items, np.int64),
        ),
        item_neighbours=ItemNeighbourState(
            codes=np.zeros((items, COSINE_WIDTH), np.int32),
            counts=np.zeros((items, COSINE_WIDTH), np.float32),
            degree=np.zeros(items, np.float32),
        ),
        factors=_factors(users, items, settings.n_factors),
        ranker=_ranker(),
    )


def rates(settings: EngineSettings) -> Rates:
    """What the kernels need of the settings."""
    return Rates(
        session_gap=settings.session_gap_seconds,
        neighbour_sample=settings.ring_length,
        n_neighbours=150,
        neighbour_reach=candidates.MATCH_WINDOW,
        cooccurrence_items=32,
        cooccurrence_entries=32,
        cosine_shrink=10.0,
        popular_candidates=50,
        item_age_seconds=86_400.0,
        ranker_rate=0.1,
        factors=FactorRates(
            learning_rate=0.1,
            regularisation=0.001,
            n_negatives=8,
            step_decay=0.6,
            session_items=5,
            initial_scale=0.1,
            tag_rate=0.05,
        ),
    )


def scratch(settings: EngineSettings) -> Scratch:
    """Working memory of one thread."""
    table = 4 * MAX_CANDIDATES
    return Scratch(
        key=np.zeros(table, np.int32),
        stamp=np.zeros(table, np.int64),
        slot=np.zeros(table, np.int32),
        codes=np.zeros(MAX_CANDIDATES, np.int32),
        features=np.zeros((MAX_CANDIDATES, candidates.N_FEATURES), np.float32),
        because=np.zeros(MAX_CANDIDATES, np.int32),
        found=np.zeros(MAX_CANDIDATES, np.uint8),
        scores=np.zeros(MAX_CANDIDATES, np.float32),
        weights=np.zeros(candidates.N_FEATURES, np.float32),
        session_codes=np.zeros(MAX_SESSION, np.int32),
        session_steps=np.zeros(MAX_SESSION, np.int32),
        session_counts=np.zeros(MAX_SESSION, np.int32),
        past_codes=np.zeros(settings.history_length, np.int32),
        past_steps=np.zeros(settings.history_length, np.int32),
        shares=np.zeros(MAX_SESSION, np.float32),
        vector=np.zeros(settings.n_factors, np.float32),
        gradient=np.zeros(settings.n_factors, np.float32),
        picks=np.zeros(64, np.int32),
        errors=np.zeros(64, np.float32),
        session_decay=np.exp(-np.arange(MAX_SESSION) / 1.5).astype(np.float32),
        match_decay=np.exp(-np.arange(candidates.MATCH_WINDOW + 2) / 5.0).astype(np.float32),
        query=np.zeros(4, np.int64),
        neighbours=NeighbourScratch(
            key=np.zeros(4 * MAX_ACCUMULATORS, np.int32),
            stamp=np.zeros(4 * MAX_ACCUMULATORS, np.int64),
            entry=np.zeros(4 * MAX_ACCUMULATORS, np.int32),
            users=np.zeros(MAX_ACCUMULATORS, np.int32),
            similarity=np.zeros(MAX_ACCUMULATORS, np.float32),
            item=np.zeros(MAX_ACCUMULATORS, np.int32),
            place=np.zeros(MAX_ACCUMULATORS, np.uint8),
            last=np.zeros(MAX_ACCUMULATORS, np.int32),
            histogram=np.zeros(256, np.int32),
            chosen=np.zeros(MAX_ACCUMULATORS, np.int32),
            query=np.zeros(1, np.int64),
        ),
    )
