"""Arrays that kernels fill with answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.results import Judged
from stream_rec.kernels.learn import Verdicts
from stream_rec.kernels.slates import Slates


def empty_verdicts(n: int, n_sources: int) -> Verdicts:
    """Room for n judged events."""
    return Verdicts(
        at=np.zeros(n, np.int32),
        rank=np.zeros(n, np.int32),
        by_source=np.zeros((n, n_sources), np.int32),
        popularity=np.zeros(n, np.int32),
        only_index=np.zeros(n, np.bool_),
        n=np.zeros(1, np.int64),
    )


def judged(v: Verdicts, places: NDArray[np.int64]) -> Judged:
    """Filled verdicts as the engine gives them out.

    Args:
        v: on the events without repeats.
        places: int64 [n], where each of these events stands in the batch.
    """
    return Judged(places[v.at].astype(np.int32), v.rank, v.by_source, v.popularity, v.only_index)


def empty_slates(n: int, k: int) -> Slates:
    """Room for n slates of k places."""
    return Slates(
        codes=np.zeros((n, k), np.int32),
        scores=np.zeros((n, k), np.float32),
        sources=np.zeros((n, k), np.int8),
        because=np.zeros((n, k), np.int32),
        only_index=np.zeros((n, k), np.bool_),
        lengths=np.zeros(n, np.int32),
    )
