"""Murmur2 as Java's Kafka client has it: which partition a key belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.schemas.columns import IdColumn

_SEED = np.uint64(0x9747B28C)
_M = np.uint64(0x5BD1E995)
_U32 = np.uint64(0xFFFFFFFF)
_POSITIVE = np.uint64(0x7FFFFFFF)
_S8, _S13, _S15, _S16, _S24 = (np.uint64(s) for s in (8, 13, 15, 16, 24))


@kernel_inner
def murmur2(data, start, end):
    """32-bit Murmur2 (Appleby) of data[start:end], as a uint64 below 2^32.

    `org.apache.kafka.common.utils.Utils.murmur2`, with its seed.
    """
    length = end - start
    state = (_SEED ^ np.uint64(length)) & _U32
    at = start
    while at + 4 <= end:
        word = (
            np.uint64(data[at])
            | np.uint64(data[at + 1]) << _S8
            | np.uint64(data[at + 2]) << _S16
            | np.uint64(data[at + 3]) << _S24
        )
        word = word * _M & _U32
        word = (word ^ (word >> _S24)) * _M & _U32
        state = state * _M & _U32 ^ word
        at += 4
    rest = end - at
    if rest == 3:
        state ^= np.uint64(data[at + 2]) << _S16
    if rest >= 2:
        state ^= np.uint64(data[at + 1]) << _S8
    if rest >= 1:
        state = (state ^ np.uint64(data[at])) * _M & _U32
    state = (state ^ (state >> _S13)) * _M & _U32
    return state ^ (state >> _S15)


@kernel
def partitions(data, ends, n_partitions, out):
    """out[i] = partition of id i; see partition_of."""
    start = np.int64(0)
    for i in range(ends.shape[0]):
        end = ends[i]
        out[i] = np.int32((murmur2(data, start, end) & _POSITIVE) % np.uint64(n_partitions))
        start = end


def partition_of(keys: IdColumn, n_partitions: int) -> NDArray[np.int32]:
    """The partition of each of n keys, as Java's default partitioner (librdkafka's `murmur2_random`) puts it.

    An empty key is hashed like any other; only a record without a key goes to a random partition.
    """
    out = np.empty(len(keys.ends), np.int32)
    partitions(keys.data, keys.ends, n_partitions, out)
    return out
