"""Item factors in a FAISS inverted file that can be updated, with its own coarse step for inner products.

FAISS keeps the vectors and scans the lists; which list a vector goes to and which lists a query scans is decided here
(`stream_rec.kernels.coarse`). FAISS' own choice for inner products, lists by angle, had to scan 1.3 to 9 times as many
vectors for the same recall on item factors that were learned from real logs, because their lengths differ.
One list that every query scans is the exact form.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.coarse import NO_LIST, assign_lists, choose_lists, describe, expect, move, settle

faiss: Any = _faiss
"""Untyped: FAISS' own stubs lack what is used here (direct maps, lists by pointer, search parameters)."""

_ENOUGH_PER_NEIGHBOUR = 4
_NEIGHBOURS_MIN = 32

_BLOCK = 256
"""Queries that are answered at once, at most: bounds the memory of one search."""

_told = threading.local()


def on_one_thread() -> None:
    """FAISS starts no threads when this one calls it, from now on. OpenMP keeps that for each thread."""
    if not getattr(_told, "once", False):
        faiss.omp_set_num_threads(1)
        _told.once = True


@dataclass(frozen=True, slots=True)
class Coarse:
    """What training decides.

    Attributes:
        forms: float32 [n_factors + 2, n_lists], see `assign_lists`.
        max_square: see `assign_lists`.
        reach: see `choose_lists`.
    """

    forms: NDArray[np.float32]
    max_square: np.float32
    reach: np.float32

    @classmethod
    def single(cls, n_factors: int) -> Coarse:
        """One list for everything."""
        return cls(np.zeros((n_factors + 2, 1), np.float32), np.float32(0), np.float32(0))


class InvertedFile:
    """Vectors by row, in lists. Not thread-safe while it changes; `search` changes nothing.

    FAISS runs on one thread here, whoever calls: OpenMP's number of threads belongs to the calling thread, so every
    method that enters FAISS sets it.
    """

    def __init__(self, coarse: Coarse) -> None:
        self.coarse = coarse
        d, n_lists = len(coarse.forms) - 2, len(coarse.forms[0])
        self.n_factors = d
        self.n_lists = n_lists
        self.sizes = np.zeros(n_lists, np.int32)
        self._sums = np.zeros((n_lists, d))
        self._squares = np.zeros(n_lists)
        self._means = np.zeros((d, n_lists), np.float32)
        self._spreads = np.zeros(n_lists, np.float32)
        self._list_of = np.full(16, NO_LIST, np.int32)
        # The quantizer only gives FAISS the number of dimensions; it is never asked.
        self._faiss = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, n_lists, faiss.METRIC_INNER_PRODUCT)
        self._faiss.is_trained = True
        self._faiss.set_direct_map_type(faiss.DirectMap.Hashtable)
        # By how wide the table of chosen lists is: powers of two, and all lists there are.
        widths = {1 << bits for bits in range(n_lists.bit_length())} | {n_lists}
        self._of_width = {width: faiss.SearchParametersIVF(nprobe=width) for width in widths}
        # FAISS wants the distances to the lists, and does not use them for flat ones.
        self._zeros = np.zeros(_BLOCK * n_lists, np.float32)
        self._no_distances = faiss.swig_ptr(self._zeros)

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    def contains(self, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of the rows are in."""
        inside: NDArray[np.bool_] = self.lists_of(rows) != NO_LIST
        return inside

    def lists_of(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """The list that each row is in, or NO_LIST."""
        known = rows < len(self._list_of)
        return np.where(known, self._list_of[np.where(known, rows, 0)], np.int32(NO_LIST))

    def rows(self) -> NDArray[np.int32]:
        """All rows that are in, ascending."""
        return np.flatnonzero(self._list_of != NO_LIST).astype(np.int32)

    def vectors(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """The vectors of rows that are in, [m, d], as they were put in."""
        if len(rows) == 0:
            return np.empty((0, self.n_factors), np.float32)
        on_one_thread()
        vectors: NDArray[np.float32] = self._faiss.reconstruct_batch(rows.astype(np.int64))
        return vectors

    def upsert(self, rows: NDArray[np.int32], vectors: NDArray[np.float32]) -> None:
        """Put vectors in, in place of those that the rows had.

        Args:
            rows: [m], each once.
            vectors: [m, d], finite, C order.
        """
        old = self._take_out(rows[self.contains(rows)])
        new = assign_lists(vectors, self.coarse.forms, self.coarse.max_square)
        self._put_in(rows, vectors, new)
        self._describe(np.concatenate([old, new]))

    def remove(self, rows: NDArray[np.int32]) -> int:
        """Take rows out, each given once; unknown ones are passed over. Returns how many were in."""
        lists = self._take_out(rows[self.contains(rows)])
        self._describe(lists)
        return len(lists)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        exhaustive: bool = False,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The k rows with the greatest inner products, and these, [n, k]; see `ItemIndex.search`."""
        shape = (len(queries), k)
        if len(self) == 0:
            return np.full(shape, -1, np.int32), np.full(shape, -np.inf, np.float32)
        rows, scores = np.empty(shape, np.int32), np.empty(shape, np.float32)
        scanned, selector = len(self) if exhaustive else k, None
        if allowed is not None:  # the fewer there are, the more has to be scanned for as many
            scanned = min(len(self), scanned * len(allowed) // max(int(np.count_nonzero(allowed)), 1))
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        for start in range(0, len(queries), _BLOCK):
            block = slice(start, start + _BLOCK)
            lists, _ = self.choose(queries[block], scanned)
            width = lists.shape[1]
            parameters = (
                self._of_width[width]
                if selector is None
                else faiss.SearchParametersIVF(nprobe=width, sel=selector)
            )
            self._scan(queries[block], lists, rows[block], scores[block], parameters)
        return rows, scores

    def choose(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The lists to scan for k neighbours of each query, and the thresholds; see `choose_lists`."""
        enough = _ENOUGH_PER_NEIGHBOUR * max(k, _NEIGHBOURS_MIN)
        return choose_lists(queries, self._means, self._spreads, self.sizes, self.coarse.reach, enough)

    def expected(self, queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation of each query's scores in each list, [n, n_lists]; as `choose` takes them."""
        means = np.empty((len(queries), self.n_lists), np.float32)
        deviations = np.empty_like(means)
        expect(queries, self._means, self._spreads, means, deviations)
        return means, deviations

    def looseness(self) -> float:
        """Share of the vectors' total square that their distance from the list's mean makes up: 0 = all at a mean."""
        total = float(self._squares.sum())
        means = float(((self._sums**2).sum(axis=1) / np.maximum(self.sizes, 1)).sum())
        return 1.0 - means / total if total > 0 else 0.0

    def imbalance(self) -> float:
        """How many times more vectors a random vector shares its list with than in lists of one size. 1 = one size."""
        shared = float((self.sizes.astype(float) ** 2).sum())
        n = float(max(len(self), 1))
        return shared * self.n_lists / (n * n)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as arrays; `restore` makes an inverted file that answers and goes on the same."""
        lists = self._faiss.invlists
        filled = [(j, int(n)) for j, n in enumerate(self.sizes) if n]
        # The order inside a list decides among equal scores, so it is kept.
        rows = [faiss.rev_swig_ptr(lists.get_ids(j), n) for j, n in filled]
        vectors = [faiss.rev_swig_ptr(lists.get_codes(j), n * lists.code_size) for j, n in filled]
        return {
            "rows": np.concatenate([np.empty(0, np.int64), *rows]).astype(np.int32),
            "vectors": np.concatenate([np.empty(0, np.uint8), *vectors])
            .view(np.float32)
            .reshape(-1, self.n_factors),
            "sizes": self.sizes.copy(),
            "sums": self._sums.copy(),
            "squares": self._squares.copy(),
            "forms": self.coarse.forms,
            "limits": np.array([self.coarse.max_square, self.coarse.reach], np.float32),
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> InvertedFile:
        """Build what `arrays` came from."""
        max_square, reach = arrays["limits"].astype(np.float32)
        new = cls(Coarse(np.ascontiguousarray(arrays["forms"], np.float32), max_square, reach))
        sizes = arrays["sizes"].astype(np.int32)
        lists = np.repeat(np.arange(new.n_lists, dtype=np.int32), sizes)
        new._put_in(
            arrays["rows"].astype(np.int32), np.ascontiguousarray(arrays["vectors"], np.float32), lists
        )
        # Sums are taken as they were, not added up anew in another order.
        new._sums[:] = arrays["sums"]
        new._squares[:] = arrays["squares"]
        new._describe(lists)
        return new

    def _put_in(
        self, rows: NDArray[np.int32], vectors: NDArray[np.float32], lists: NDArray[np.int32]
    ) -> None:
        if len(rows) == 0:
            return
        self._make_room(int(rows.max()))
        self._list_of[rows] = lists
        move(vectors, lists, 1, self._sums, self._squares, self.sizes)
        ids, numbers = rows.astype(np.int64), lists.astype(np.int64)
        on_one_thread()
        self._faiss.add_core(len(ids), faiss.swig_ptr(vectors), faiss.swig_ptr(ids), faiss.swig_ptr(numbers))

    def _take_out(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Returns the lists that the rows were in."""
        lists = self._list_of[rows]
        if len(rows):
            move(self.vectors(rows), lists, -1, self._sums, self._squares, self.sizes)
            self._list_of[rows] = NO_LIST
            ids = rows.astype(np.int64)
            # The selector by array is the one that the hash table answers without a pass over all lists.
            self._faiss.remove_ids(faiss.IDSelectorArray(len(ids), faiss.swig_ptr(ids)))
        return lists

    def _describe(self, lists: NDArray[np.int32]) -> None:
        """Bring the means and spreads of these lists up to date."""
        if len(lists) > self.n_lists:
            lists = np.arange(self.n_lists, dtype=np.int32)
        describe(lists, self._sums, self._squares, self.sizes, self._means, self._spreads)

    def _make_room(self, row: int) -> None:
        n = len(self._list_of)
        if row >= n:
            more = np.full(max(row + 1, 2 * n) - n, NO_LIST, np.int32)
            self._list_of = np.concatenate([self._list_of, more])

    def _scan(
        self,
        queries: NDArray[np.float32],
        lists: NDArray[np.int64],
        rows: NDArray[np.int32],
        scores: NDArray[np.float32],
        parameters: faiss.SearchParametersIVF,
    ) -> None:
        """Fill rows and scores, [n, k], C order, from the chosen lists."""
        labels = np.empty(rows.shape, np.int64)
        on_one_thread()
        self._faiss.search_preassigned_c(
            len(queries),
            faiss.swig_ptr(queries),
            rows.shape[1],
            faiss.swig_ptr(lists),
            self._no_distances,
            faiss.swig_ptr(scores),
            faiss.swig_ptr(labels),
            False,
            parameters,
        )
        settle(labels, scores, rows)
