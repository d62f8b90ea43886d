"""The M best of many, in order: a heap with the worst on top, which most of the others never get past.

Of equal keys the lower number is the better one. `numbers` and `keys` are int32 and float32 [M], the first n of them
kept.
"""

from __future__ import annotations

from stream_rec.kernels.compile import kernel, kernel_inner


@kernel
def keeps(keys, n, key):
    """Would a key be kept, of a number higher than all those before?"""
    return n < keys.shape[0] or key > keys[0]


@kernel
def keep(numbers, keys, n, number, key):
    """Keep one that `keeps` lets in; how many there are then."""
    if n == keys.shape[0]:
        numbers[0], keys[0] = number, key
        _sink(numbers, keys, 0, n)
        return n
    numbers[n], keys[n] = number, key
    if n + 1 == keys.shape[0]:
        _heap(numbers, keys, n + 1)
    return n + 1


@kernel
def sort_kept(numbers, keys, n):
    """Best first."""
    if n < keys.shape[0]:
        _heap(numbers, keys, n)
    for last in range(n - 1, 0, -1):
        number, key = numbers[last], keys[last]
        numbers[last], keys[last] = numbers[0], keys[0]
        numbers[0], keys[0] = number, key
        _sink(numbers, keys, 0, last)


@kernel_inner
def _heap(numbers, keys, n):
    for at in range(n // 2 - 1, -1, -1):
        _sink(numbers, keys, at, n)


@kernel_inner
def _is_worse(numbers, keys, at, key, number):
    return keys[at] < key or (keys[at] == key and numbers[at] > number)


@kernel_inner
def _sink(numbers, keys, at, n):
    """What stands at `at` goes down until nothing below it is worse."""
    number, key = numbers[at], keys[at]
    while 2 * at + 1 < n:
        below = 2 * at + 1
        if below + 1 < n and _is_worse(numbers, keys, below + 1, keys[below], numbers[below]):
            below += 1
        if not _is_worse(numbers, keys, below, key, number):
            break
        numbers[at], keys[at] = numbers[below], keys[below]
        at = below
    numbers[at], keys[at] = number, key
