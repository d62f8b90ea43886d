"""Empty state, working memory and rates from the settings and the sources."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import COUNTERS, Query, Rates, State
from stream_rec.engine.spaces.item_vectors import N_FOUND
from stream_rec.kernels import columns, pairs, past, vocabulary, windows
from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.histories import HistoryState
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.slots import PER_SPACE
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.event_types import N_TYPES, EventTypes
from stream_rec.settings import EngineSettings
from stream_rec.settings.event_types import MOST_BLOCKED
from stream_rec.sources import ranker, registry, vectors
from stream_rec.sources.features import N_FEATURES, NAMES, SOURCE_OF, SWITCHES

N_NEWEST = 16
MAX_CANDIDATES = 1024
OFF_BY_A_LINE = 16
"""Columns a power of two apart would all fall into the same few lines of the cache."""
MAX_SESSION = 16
SESSION_DECAY_STEPS = 1.5
INITIAL_ARENA_BYTES = 1 << 16


def bounds_of(settings: EngineSettings) -> Bounds:
    """The settings that give arrays their form."""
    return Bounds(
        users=settings.max_users,
        items=settings.max_items,
        hidden=settings.max_hidden,
        texts=settings.max_texts,
        windows=settings.max_windows,
        blocked=settings.max_blocked,
        undoable=settings.max_undoable,
        history_length=settings.history_length,
        ring_length=settings.ring_length,
        n_factors=settings.n_factors,
        spaces=settings.max_spaces,
        vector_width=settings.vector_width,
        longest_slate=max(scenario.k for scenario in settings.scenarios.values()),
        ratings=EventTypes.of(settings.event_types).has_ratings,
    )


def n_features(settings: EngineSettings) -> int:
    """Columns of the feature table: the kernels' own, one for each river model, and those of vector spaces."""
    return N_FEATURES + len(settings.river_sources) + PER_SPACE * settings.max_spaces


def _source_of(settings: EngineSettings) -> NDArray[np.int64]:
    n_rivers = len(settings.river_sources)
    others = len(NAMES) + np.arange(n_rivers + settings.max_spaces, dtype=np.int64)
    spaces = np.repeat(others[n_rivers:], PER_SPACE)
    return np.concatenate([SOURCE_OF, others[:n_rivers], spaces])


def n_sources(settings: EngineSettings) -> int:
    """As many as `Engine.sources` names."""
    return len(NAMES) + len(settings.river_sources) + settings.max_spaces


def empty_state(settings: EngineSettings) -> State:
    """The state before the first event. Arrays of zeros cost no memory until they are touched."""
    bounds = bounds_of(settings)
    core: dict[str, Any] = {
        "users": vocabulary.empty(bounds.users, INITIAL_ARENA_BYTES),
        "items": vocabulary.empty(bounds.items, INITIAL_ARENA_BYTES),
        "hidden": vocabulary.empty(bounds.hidden, INITIAL_ARENA_BYTES),
        "windowed": vocabulary.empty(bounds.windows, INITIAL_ARENA_BYTES),
        "windows": windows.empty(bounds),
        "texts": vocabulary.empty(bounds.texts, INITIAL_ARENA_BYTES),
        "columns": columns.empty(bounds),
        "generation": np.ones(bounds.items, np.uint8),
        "first_seen": np.zeros(bounds.items, np.float64),
        "in_catalogue": np.zeros(bounds.items, np.bool_),
        "newest": np.zeros(N_NEWEST, np.int32),
        "n_newest": np.zeros(1, np.int64),
        "counters": np.zeros(1, COUNTERS),
        "clock": np.zeros(1, np.float64),
        "histories": _histories(bounds),
        "remembered": _remembered(EventTypes.of(settings.event_types)),
        "past": past.empty(bounds),
        "blocked": pairs.empty(bounds.blocked),
        "undoable": pairs.empty(bounds.undoable),
        "ranker": ranker.empty(n_features(settings), vectors.PRIORS * settings.max_spaces),
    }
    return State(**core, **registry.parts("empty", bounds))


def _histories(bounds: Bounds) -> HistoryState:
    return HistoryState(
        items=np.zeros((bounds.users, bounds.history_length), np.int32),
        types=np.zeros((bounds.users, bounds.history_length), np.uint8),
        pauses=np.zeros((bounds.users, bounds.history_length), np.uint8),
        n_events=np.zeros(bounds.users, np.uint32),
        session_start=np.zeros(bounds.users, np.uint32),
        session=np.zeros(bounds.users, np.uint64),
    )


def _remembered(types: EventTypes) -> NDArray[np.uint64]:
    hashes = np.zeros(N_TYPES, np.uint64)
    hashes[1 : len(types.remembered) + 1] = hash_ids(IdColumn.of(types.remembered))
    return hashes


def rates(settings: EngineSettings) -> Rates:
    """What the kernels need of the settings."""
    core: dict[str, Any] = {
        "session_gap": settings.session_gap_seconds,
        "heard": np.array([name in settings.sources for name in SWITCHES]),
        "source_of": _source_of(settings),
        "conversions": EventTypes.of(settings.event_types).conversions,
        "max_blocked_per_user": settings.max_blocked_per_user,
        "ranker": ranker.RATES,
    }
    return Rates(**core, **registry.parts("RATES"))


def query(settings: EngineSettings, n: int = MAX_CANDIDATES, n_indexed: int = N_FOUND) -> Query:
    """Working memory of one thread.

    Args:
        settings: bounds.
        n: candidates at most, a power of two below 2 ** kernels.candidates.CANDIDATE_BITS.
        n_indexed: items at most that come from the vector index, or are asked for by name.
    """
    bounds = bounds_of(settings)
    core: dict[str, Any] = {
        "stamp": np.zeros(1, np.int64),
        "user": np.zeros(1, np.int64),
        "n_candidates": np.zeros(1, np.int64),
        "table": np.zeros(4 * n, np.int64),
        "codes": np.zeros(n, np.int32),
        "features": np.zeros((n_features(settings), n + OFF_BY_A_LINE), np.float32),
        "n_columns": np.zeros(1, np.int64),
        "because": np.zeros(n, np.int32),
        "found": np.zeros(n, np.uint8),
        "scores": np.zeros(n, np.float32),
        "units": np.zeros((ranker.N_HIDDEN, n + OFF_BY_A_LINE), np.float32),
        "slopes": np.zeros(n_features(settings), np.float32),
        "source_contributions": np.zeros(n_sources(settings), np.float32),
        "typical_contributions": np.zeros(n_sources(settings), np.float32),
        "source_scores": np.zeros(n, np.float32),
        "competes": np.zeros(n, np.bool_),
        "left_out": np.zeros(bounds.items, np.bool_),
        "seen": np.zeros(bounds.items, np.bool_),
        "blocked": np.zeros(bounds.items, np.bool_),
        "blocked_texts": np.zeros(MOST_BLOCKED, np.int64),
        "n_blocked_texts": np.zeros(1, np.int64),
        **_context(bounds),
        "has_vector": np.zeros(1, np.bool_),
        "vector": np.zeros(bounds.n_factors, np.float32),
        "indexed": np.full(n_indexed, -1, np.int32),
    }
    return Query(**core, **registry.parts("scratch", bounds))


def _context(bounds: Bounds) -> dict[str, Any]:
    decay = np.exp(-np.arange(MAX_SESSION) / SESSION_DECAY_STEPS)
    return {
        "n_session": np.zeros(1, np.int64),
        "session_codes": np.zeros(MAX_SESSION, np.int32),
        "session_steps": np.zeros(MAX_SESSION, np.int32),
        "session_counts": np.zeros(MAX_SESSION, np.int32),
        "session_decay": decay.astype(np.float32),
        "n_past": np.zeros(1, np.int64),
        "past_codes": np.zeros(bounds.history_length, np.int32),
        "past_steps": np.zeros(bounds.history_length, np.int32),
    }
