"""Prequential quality: hit-rate, MRR and nDCG at k from the ranks of what really came next (Gama et al., 2013)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels import prequential as kernels


def add_ranks(
    sums: NDArray[np.float64],
    row: int,
    ranks: NDArray[np.int32],
    *,
    k: int,
    first: int = 0,
    last: int | None = None,
) -> None:
    """Add the ranks of m events, each by j judges, to their sums.

    Args:
        sums: [rows, 2], numerators and denominators, changed in place: rows row + 3 j ... in the order of
            telemetry.series.RANK_METRICS.
        row: of the first judge.
        ranks: [m, j], from 1; 0 = miss; negative = not known, which counts in neither sum.
        k: cut-off: a rank beyond it is a miss.
        first: first event to add.
        last: one past the last; None = all.
    """
    kernels.add_ranks(sums, row, ranks, first, len(ranks) if last is None else last, k)
