"""The working memory that one query of the engine needs, whatever the sources."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class QueryCore(NamedTuple):
    """C = candidates at most, D = features, U = hidden units, F = factors; numbers are arrays of one.

    Attributes:
        stamp: int64 [1], which query this is.
        user: int64 [1], its user row, see kernels.candidates.read_context.
        n_candidates: int64 [1].
        table: int64 [T], from item row to candidate, see kernels.candidates.
        codes: int32 [C], the candidates.
        features: float32 [D, C], 0 behind the candidates and the columns in use.
        n_columns: int64 [1], columns of features in use, the first ones; see kernels.slots.
        because: int32 [C], code of the user's item that brought the candidate in, NO_CODE = none.
        found: uint8 [C], 1 = some source but the vector index found it.
        scores: float32 [C].
        units: float32 [U, C], the ranker's hidden units.
        slopes: float32 [D], how much each feature moves the scores of this query.
        source_contributions: float32 [sources], what each source says of one candidate.
        typical_contributions: float32 [sources], what each says of the mean candidate.
        source_scores: float32 [C], what one source says of each.
        competes: bool [C], may a candidate stand above the target.
        left_out: bool [items], takes no part in the ranking that is judged next.
        seen: bool [items], the user of this query has had it; all false between queries.
        blocked: bool [items], the user of this query dislikes it or never wants to see it; all false between queries.
        blocked_texts: int64 [B], tags and owners (negative) that the user of this query never wants to see: numbers of
            texts in kernels.columns.
        n_blocked_texts: int64 [1].
        n_session: int64 [1], items in the session.
        session_codes, session_steps, session_counts: int32 [S], the session, newest first.
        session_decay: float32 [S], how much an item of the session counts, by its place.
        n_past: int64 [1], items in the long history.
        past_codes, past_steps: int32 [H], the long history.
        has_vector: bool [1], is there one.
        vector: float32 [F], what the vector index is asked.
        indexed: int32 [v], item rows that the vector index found, -1 = none.
    """

    stamp: NDArray[np.int64]
    user: NDArray[np.int64]
    n_candidates: NDArray[np.int64]
    table: NDArray[np.int64]
    codes: NDArray[np.int32]
    features: NDArray[np.float32]
    n_columns: NDArray[np.int64]
    because: NDArray[np.int32]
    found: NDArray[np.uint8]
    scores: NDArray[np.float32]
    units: NDArray[np.float32]
    slopes: NDArray[np.float32]
    source_contributions: NDArray[np.float32]
    typical_contributions: NDArray[np.float32]
    source_scores: NDArray[np.float32]
    competes: NDArray[np.bool_]
    left_out: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    blocked: NDArray[np.bool_]
    blocked_texts: NDArray[np.int64]
    n_blocked_texts: NDArray[np.int64]
    n_session: NDArray[np.int64]
    session_codes: NDArray[np.int32]
    session_steps: NDArray[np.int32]
    session_counts: NDArray[np.int32]
    session_decay: NDArray[np.float32]
    n_past: NDArray[np.int64]
    past_codes: NDArray[np.int32]
    past_steps: NDArray[np.int32]
    has_vector: NDArray[np.bool_]
    vector: NDArray[np.float32]
    indexed: NDArray[np.int32]


class Undone(NamedTuple):
    """An event of the past that is taken back; the query's session is what its session held before it.

    Attributes:
        user: row.
        item: row.
        code: the item's.
        ts: its time, seconds.
        weight: of its type.
        reach: what it added to the item's reach (sources.popularity).
        is_gone: the user's history does not hold the item any more.
    """

    user: int
    item: int
    code: int
    ts: float
    weight: float
    reach: float
    is_gone: bool


class Event(NamedTuple):
    """The event that is learned now, as sources see it.

    Attributes:
        user: row.
        item: row.
        code: the item's.
        ts: event time, seconds.
        weight: of its type.
        seed: uint64, of random choices: a function of where the event stands in the log.
        is_new: the session does not hold the item yet.
    """

    user: int
    item: int
    code: int
    ts: float
    weight: float
    seed: int
    is_new: bool
