"""The coarse step of an inverted file for inner products: which list a vector belongs to, which lists a query needs.

Both are linear forms over the lists, laid out [form, list]: one pass serves all lists at once, and what a query gets
does not depend on which other queries are asked with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_allocating, kernel_inner, kernel_unlocked

NO_LIST = -1
"""Fills a row of chosen lists behind the last one."""

_FIRST_SPREADS = np.float32(2.0)
"""A list is looked at in the order of its mean score plus this many standard deviations."""


@kernel_inner
def dot_all(vector, forms, out):
    """out[j] = sum over i < d of vector[i] * forms[i, j], for every list j. Changes out.

    Four dimensions at a time: the sums over the lists are read and written a quarter as often.
    """
    d = vector.shape[0]
    n_lists = out.shape[0]
    for j in range(n_lists):
        out[j] = np.float32(0.0)
    i = 0
    while i + 4 <= d:
        v0, v1, v2, v3 = vector[i], vector[i + 1], vector[i + 2], vector[i + 3]
        for j in range(n_lists):
            out[j] += (v0 * forms[i, j] + v1 * forms[i + 1, j]) + (
                v2 * forms[i + 2, j] + v3 * forms[i + 3, j]
            )
        i += 4
    while i < d:
        v0 = vector[i]
        for j in range(n_lists):
            out[j] += v0 * forms[i, j]
        i += 1


@kernel_inner
def square_of(vector):
    """Squared length."""
    square = np.float32(0.0)
    for i in range(vector.shape[0]):
        square += vector[i] * vector[i]
    return square


@kernel_unlocked
def assign(vectors, forms, max_square, out):
    """out[m] = the nearest list of each vector; see `assign_lists`."""
    d = vectors.shape[1]
    n_lists = forms.shape[1]
    closeness = np.empty(n_lists, np.float32)
    for m in range(vectors.shape[0]):
        dot_all(vectors[m], forms, closeness)
        height = np.sqrt(max(max_square - square_of(vectors[m]), np.float32(0.0)))
        for j in range(n_lists):
            closeness[j] += height * forms[d, j] + forms[d + 1, j]
        best = 0
        for j in range(n_lists):
            if closeness[j] > closeness[best]:
                best = j
        out[m] = best


@kernel_inner
def _is_worse(one, other, keys):
    """Does one list stand behind the other? By key; ties: the higher list number is worse."""
    return keys[one] < keys[other] or (keys[one] == keys[other] and one > other)


@kernel_inner
def _lift(heap, at, keys):
    """Restore the heap (worst list on top) after position `at` was filled."""
    while at > 0:
        parent = (at - 1) // 2
        if not _is_worse(heap[at], heap[parent], keys):
            break
        heap[at], heap[parent] = heap[parent], heap[at]
        at = parent


@kernel_inner
def _sink(heap, length, keys):
    """Restore the heap (worst list on top) after its top was replaced."""
    at = 0
    while 2 * at + 1 < length:
        child = 2 * at + 1
        if child + 1 < length and _is_worse(heap[child + 1], heap[child], keys):
            child += 1
        if not _is_worse(heap[child], heap[at], keys):
            break
        heap[at], heap[child] = heap[child], heap[at]
        at = child


@kernel_inner
def _best_lists(keys, sizes, enough, heap):
    """The shortest head of the lists, by key, that holds `enough` vectors (all non-empty lists if none does).

    Returns its length; the lists are heap[:length], worst on top.
    """
    n = 0
    held = np.int64(0)
    for j in range(keys.shape[0]):
        if sizes[j] == 0 or (held >= enough and keys[j] <= keys[heap[0]]):
            continue
        heap[n] = j
        n += 1
        held += sizes[j]
        _lift(heap, n - 1, keys)
        while held - sizes[heap[0]] >= enough:
            held -= sizes[heap[0]]
            n -= 1
            heap[0] = heap[n]
            _sink(heap, n, keys)
    return n


@kernel_unlocked
def choose(queries, means, spreads, sizes, reach, enough, chosen, thresholds):
    """Fill chosen[q] and thresholds[q], see `choose_lists`; returns the most lists that a query has."""
    return _choose(queries, means, spreads, sizes, reach, enough, chosen, thresholds)


@kernel_allocating
def _choose(queries, means, spreads, sizes, reach, enough, chosen, thresholds):
    n_lists = sizes.shape[0]
    expected = np.empty(n_lists, np.float32)
    keys = np.empty(n_lists, np.float32)
    heap = np.empty(n_lists, np.int64)
    most = 0
    for q in range(queries.shape[0]):
        dot_all(queries[q], means, expected)
        norm = np.sqrt(square_of(queries[q]))
        first = _FIRST_SPREADS * norm
        for j in range(n_lists):
            keys[j] = expected[j] + first * spreads[j]
        n = _best_lists(keys, sizes, enough, heap)
        held = np.int64(0)
        level = np.float64(0.0)
        for at in range(n - 1, -1, -1):
            best = heap[0]
            held += sizes[best]
            level += sizes[best] * np.float64(expected[best] + norm * spreads[best])
            chosen[q, at] = best
            heap[0] = heap[at]
            _sink(heap, at, keys)
        thresholds[q] = np.float32(level / max(held, 1))
        for at in range(n):
            keys[chosen[q, at]] = -np.inf
        wide = reach * norm
        for j in range(n_lists):
            is_near = expected[j] + wide * spreads[j] >= thresholds[q]
            if is_near and sizes[j] > 0 and keys[j] != -np.inf:
                chosen[q, n] = j
                n += 1
        chosen[q, n:] = NO_LIST
        most = max(most, n)
    return most


@kernel_unlocked
def expect(queries, means, spreads, expected, deviations):
    """Mean and standard deviation of each query's scores in each list. Changes expected, deviations."""
    for q in range(queries.shape[0]):
        dot_all(queries[q], means, expected[q])
        norm = np.sqrt(square_of(queries[q]))
        for j in range(spreads.shape[0]):
            deviations[q, j] = norm * spreads[j]


@kernel_unlocked
def move(vectors, lists, sign, sums, squares, sizes):
    """Add (sign = 1) or take away (sign = -1) vectors from the sums over their lists. Changes sums, squares, sizes.

    A list that becomes empty is exactly zero again, so rounding does not pile up in it.
    """
    for m in range(vectors.shape[0]):
        j = lists[m]
        sizes[j] += sign
        if sizes[j] == 0:
            sums[j] = 0.0
            squares[j] = 0.0
            continue
        for i in range(vectors.shape[1]):
            x = np.float64(vectors[m, i])
            sums[j, i] += sign * x
            squares[j] += sign * x * x


@kernel_unlocked
def describe(lists, sums, squares, sizes, means, spreads):
    """means[:, j], spreads[j] = mean and standard deviation (per dimension) of each list j. Changes means, spreads."""
    d = sums.shape[1]
    for j in lists:
        n = max(sizes[j], 1)
        variance = squares[j] / n
        for i in range(d):
            mean = sums[j, i] / n
            means[i, j] = np.float32(mean)
            variance -= mean * mean
        spreads[j] = np.float32(np.sqrt(max(variance, 0.0) / d))


@kernel
def settle(labels, scores, rows):
    """Rows = labels as int32; among equal scores the lower row first; behind the last hit row -1, score -inf."""
    for q in range(labels.shape[0]):
        for p in range(labels.shape[1]):
            row, score = np.int32(labels[q, p]), scores[q, p]
            if row < 0:
                rows[q, p] = -1
                scores[q, p] = -np.inf
                continue
            at = p
            while at > 0 and scores[q, at - 1] == score and rows[q, at - 1] > row:
                rows[q, at] = rows[q, at - 1]
                at -= 1
            rows[q, at] = row


def assign_lists(
    vectors: NDArray[np.float32], forms: NDArray[np.float32], max_square: np.float32
) -> NDArray[np.int32]:
    """The list of each vector: the nearest centroid (L2) after the step that makes lengths equal.

    A vector x gets one more coordinate, its height sqrt(max_square - |x|^2) (0 if longer), so that nearness means a
    great inner product (Bachrach et al. 2014, RecSys, the reduction from inner product to L2). Ties: the lower list.

    Args:
        vectors: [m, d].
        forms: [d + 2, n_lists], C order: per list the centroid, its height, and minus half its squared length.
        max_square: squared length from which on a vector has no height.
    """
    out = np.empty(len(vectors), np.int32)
    assign(vectors, forms, max_square, out)
    return out


def choose_lists(
    queries: NDArray[np.float32],
    means: NDArray[np.float32],
    spreads: NDArray[np.float32],
    sizes: NDArray[np.int32],
    reach: np.float32,
    enough: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The lists that each query should scan.

    The scores that a query has with a list's vectors are taken as spread around its mean score m_j by |q| s_j. First
    come the lists with the greatest m_j + 2 |q| s_j until they hold `enough` vectors; the mean of their m_j + |q| s_j,
    weighted by size, is the score that a vector must reach; then every list that may hold such vectors,
    m_j + reach |q| s_j >= that threshold. So a query whose answers lie together scans little, another one much.

    Args:
        queries: [n, d].
        means: [d, n_lists], C order.
        spreads: s_j, [n_lists].
        sizes: vectors per list, [n_lists]; empty ones are never chosen.
        reach: standard deviations that a list is given.
        enough: vectors in the first lists, e.g. four times the neighbours wanted. At least min(enough, all vectors)
            vectors are in the chosen lists.

    Returns:
        Lists [n, w], best first as far as `enough` reaches, then by number, then NO_LIST, w = the least power of two
        that holds those of every query, or n_lists if that is less; thresholds [n].
    """
    chosen = np.empty((len(queries), len(sizes)), np.int64)
    thresholds = np.empty(len(queries), np.float32)
    run = choose if len(queries) > 1 else _choose
    most = run(queries, means, spreads, sizes, reach, enough, chosen, thresholds)
    return np.ascontiguousarray(chosen[:, : 1 << int(most - 1).bit_length()]), thresholds
