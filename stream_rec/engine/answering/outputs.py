"""Arrays that kernels fill with answers, and the answers in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.arrange import Marked
from stream_rec.engine.fold.judge import PrequentialRanks
from stream_rec.engine.fold.slates import Slates
from stream_rec.engine.names import ItemNames
from stream_rec.engine.results import Judged, Ranked
from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.kernels.vocabulary import VocabularyState

SCORE_DECIMALS = 4
"""More tell a reader nothing, and make slates longer."""


def empty_ranks(n: int, n_sources: int) -> PrequentialRanks:
    """Room for n judged events."""
    return PrequentialRanks(
        at=np.zeros(n, np.int32),
        rank=np.zeros(n, np.int32),
        by_source=np.zeros((n, n_sources), np.int32),
        popularity=np.zeros(n, np.int32),
        only_index=np.zeros(n, np.bool_),
        n_judged=np.zeros(1, np.int64),
    )


def judged(ranks: PrequentialRanks, places: NDArray[np.int64]) -> Judged:
    """Filled ranks as the engine gives them out.

    Args:
        ranks: of the batch's events without duplicates.
        places: int64 [n], where each of these events stands in the batch.
    """
    return Judged(
        places[ranks.at].astype(np.int32), ranks.rank, ranks.by_source, ranks.popularity, ranks.only_index
    )


def empty_slates(n: int, k: int) -> Slates:
    """Room for n slates of k places."""
    return Slates(
        codes=np.zeros((n, k), np.int32),
        scores=np.zeros((n, k), np.float32),
        sources=np.zeros((n, k), np.int8),
        because=np.zeros((n, k), np.int32),
        only_index=np.zeros((n, k), np.bool_),
        lengths=np.zeros(n, np.int32),
        relaxed=np.zeros(n, np.bool_),
    )


def empty_marks(n: int, k: int) -> Marked:
    """Room for what slates under rules say besides."""
    return Marked(np.zeros((n, k), np.uint8), np.ones((n, k), np.float32))


def ranked(out: Slates, names: ItemNames, items: VocabularyState, sources: tuple[str, ...]) -> Ranked:
    """Filled slates as the engine gives them out."""
    lengths = out.lengths.tolist()
    rows, filled = out.codes & ROW_MASK, out.codes != NO_CODE

    def cut(array: NDArray[Any]) -> list[list[Any]]:
        return [row[:m] for row, m in zip(array.tolist(), lengths, strict=True)]

    return Ranked(
        items=cut(names.of(items, out.codes)),
        scores=cut(np.round(out.scores.astype(np.float64), SCORE_DECIMALS)),
        sources=cut(out.sources),
        because=cut(names.of(items, out.because)),
        rows=np.where(filled, rows, np.int32(-1)),
        hashes=np.where(filled, items.hashes[rows], np.uint64(0)),
        only_index=out.only_index,
        relaxed=out.relaxed.tolist(),
        source_names=sources,
    )
