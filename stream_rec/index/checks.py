"""What the index lets in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_rows(rows: ArrayLike, limit: int) -> NDArray[np.int32]:
    """Rows as int32 [m].

    Raises:
        ValueError: not one row of integers, or one below 0 or not below `limit`.
    """
    array = np.asarray(rows)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"rows are {array.dtype} of shape {array.shape}, not integers of shape [m]")
    if array.size and (array.min() < 0 or array.max() >= limit):
        raise ValueError(f"rows from {array.min()} to {array.max()}, but 0 <= row < {limit}")
    return array.astype(np.int32, copy=False)


def checked_vectors(vectors: ArrayLike, n_factors: int) -> NDArray[np.float32]:
    """Vectors as float32 [m, n_factors], C order.

    Raises:
        ValueError: another shape; not finite, or so long that the square of the length is not.
    """
    array = np.ascontiguousarray(vectors, np.float32)
    if array.ndim != 2 or array.shape[1] != n_factors:
        raise ValueError(f"vectors have shape {array.shape}, not [m, {n_factors}]")
    # One sum over all is quick, and finite but for the vectors that must be looked at one by one.
    if not np.isfinite(np.vdot(array, array)) and not np.isfinite(np.einsum("ij,ij->i", array, array)).all():
        raise ValueError("vectors are not finite, or too long to be squared")
    return array
