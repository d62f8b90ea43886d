"""Training of an inverted file: centroids by k-means, and the reach that gives the recall asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from stream_rec.index.inverted_file import Coarse, InvertedFile, on_one_thread
from stream_rec.kernels.coarse import NO_LIST

NEIGHBOURS = 100
"""Recall is set at this many neighbours."""

_POINTS_PER_LIST = 32
_ITERATIONS = 8
_PROBES = 128
_REACH_MAX = 8.0

_GROWN = 2.0
_LOOSENED = 1.25
_UNBALANCED = 2.0


class Figures(NamedTuple):
    """What a training reached.

    Attributes:
        n: vectors it was trained on.
        recall: at `NEIGHBOURS`, mean over the probes of the kind of query that is hardest.
        n_probed: lists scanned per query, mean over all probes.
        scanned: share of the vectors scanned per query, mean over all probes.
        looseness: see `InvertedFile.looseness`.
        imbalance: see `InvertedFile.imbalance`.
    """

    n: float
    recall: float
    n_probed: float
    scanned: float
    looseness: float
    imbalance: float


@dataclass(frozen=True, slots=True)
class Trained:
    """An inverted file, and what its training reached; later updates change the file, not the figures."""

    file: InvertedFile
    figures: Figures

    @classmethod
    def exact(cls, n_factors: int) -> Trained:
        """An empty file with one list."""
        return cls(InvertedFile(Coarse.single(n_factors)), Figures(0.0, 1.0, 1.0, 1.0, 1.0, 1.0))

    def has_drifted(self) -> bool:
        """Are there twice or half as many vectors as in training, do they lie more loosely, or crowd in few lists?"""
        n, then = len(self.file), self.figures
        return (
            not then.n / _GROWN < n < then.n * _GROWN
            or self.file.looseness() > _LOOSENED * then.looseness
            or self.file.imbalance() > _UNBALANCED * then.imbalance
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as arrays."""
        return self.file.arrays() | {"figures": np.array(self.figures)}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Trained:
        """Build what `arrays` came from."""
        return cls(InvertedFile.restore(arrays), Figures(*arrays["figures"].tolist()))


def lists_for(n: int) -> int:
    """Lists for n vectors: about 5 sqrt(n), where choosing and scanning them cost about the same."""
    return max(1, min(round(5 * math.sqrt(n)), n // 8))


def train(
    rows: NDArray[np.int32],
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    n_lists: int,
    recall: float,
    seed: int,
) -> Trained:
    """Build an inverted file; a function of its arguments alone, on one thread of one type of CPU.

    Args:
        rows: [n], ascending.
        vectors: [n, d].
        queries: [m, d], what will be asked; items themselves and sums of three items are tried besides.
        n_lists: 1 = exact.
        recall: wanted at `NEIGHBOURS`, as a mean for each kind of query.
        seed: of k-means and of the probes.
    """
    d = vectors.shape[1]
    if n_lists == 1:
        trained = Trained.exact(d)
        trained.file.upsert(rows, vectors)
        return trained
    file = InvertedFile(_coarse(vectors, n_lists, seed))
    file.upsert(rows, vectors)
    return _calibrate(file, _probes(vectors, queries, seed), recall)


def _coarse(vectors: NDArray[np.float32], n_lists: int, seed: int) -> Coarse:
    """Centroids of the vectors with their heights (`assign_lists`), by k-means on a sample."""
    on_one_thread()
    squares = np.einsum("ij,ij->i", vectors, vectors)
    max_square = np.float32(squares.max())
    heights = np.sqrt(max_square - squares)
    points = np.ascontiguousarray(np.column_stack([vectors, heights]), np.float32)
    d = points.shape[1]
    kmeans = faiss.Clustering(d, n_lists)
    kmeans.niter = _ITERATIONS
    kmeans.seed = seed
    kmeans.min_points_per_centroid = 1
    kmeans.max_points_per_centroid = _POINTS_PER_LIST
    kmeans.train(points, faiss.IndexFlatL2(d))
    centroids = faiss.vector_to_array(kmeans.centroids).reshape(n_lists, d)
    halves = -0.5 * np.einsum("ij,ij->i", centroids, centroids)
    forms = np.ascontiguousarray(np.vstack([centroids.T, halves]), np.float32)
    return Coarse(forms, max_square, np.float32(0))


def _probes(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], seed: int
) -> list[NDArray[np.float32]]:
    """Some queries of each kind, [m, d] each."""
    random = np.random.default_rng(seed)
    chosen = random.integers(len(vectors), size=(_PROBES, 4))
    kinds = [vectors[chosen[:, 0]], vectors[chosen[:, 1:]].sum(axis=1)]
    if len(queries):
        kinds.append(queries[np.linspace(0, len(queries) - 1, _PROBES).astype(int)])
    return [np.ascontiguousarray(kind, np.float32) for kind in kinds]


def _calibrate(file: InvertedFile, probes: list[NDArray[np.float32]], recall: float) -> Trained:
    """Set the reach so that each kind of probe finds `recall` of its neighbours."""
    needed = [_reach_needed(file, kind) for kind in probes]
    reach = max(float(np.quantile(z, recall, method="higher")) for z in needed)
    file.coarse = replace(file.coarse, reach=np.float32(min(max(reach, 0.0), _REACH_MAX)))
    lists, _ = file.choose(np.concatenate(probes), NEIGHBOURS)
    scanned = np.where(lists == NO_LIST, 0, file.sizes[lists]).sum(axis=1) / len(file)
    figures = Figures(
        n=len(file),
        recall=min(float((z <= file.coarse.reach).mean()) for z in needed),
        n_probed=float((lists != NO_LIST).sum(axis=1).mean()),
        scanned=float(scanned.mean()),
        looseness=file.looseness(),
        imbalance=file.imbalance(),
    )
    return Trained(file, figures)


def _reach_needed(file: InvertedFile, probes: NDArray[np.float32]) -> NDArray[np.float32]:
    """For every true neighbour of every probe: the least reach with which its list is scanned, flat."""
    k = min(NEIGHBOURS, len(file))
    neighbours, _ = file.search(probes, k, exhaustive=True)
    lists = file.lists_of(neighbours.ravel()).reshape(neighbours.shape)
    first, thresholds = file.choose(probes, k)
    mean, deviation = (np.take_along_axis(each, lists, axis=1) for each in file.expected(probes))
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = (thresholds[:, None] - mean) / deviation
    # With no spread at all a list is scanned at any reach or at none.
    needed = np.where(deviation > 0, needed, np.where(mean >= thresholds[:, None], 0.0, np.inf))
    is_first = (lists[:, :, None] == first[:, None, :]).any(axis=2)
    flat: NDArray[np.float32] = np.where(is_first, -np.inf, needed).ravel().astype(np.float32)
    return flat
