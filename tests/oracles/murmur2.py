"""Murmur2 written out as Kafka's Java client has it, a statement at a time: slow and obvious."""

from __future__ import annotations

_U32 = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The signed 32-bit hash, as Java returns it."""
    m, r = 0x5BD1E995, 24
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4
    for i in range(whole):
        k = int.from_bytes(data[4 * i : 4 * i + 4], "little")
        k = (k * m) & _U32
        k ^= k >> r
        k = (k * m) & _U32
        h = (h * m) & _U32
        h ^= k
    tail = data[4 * whole :]
    if len(tail) == 3:
        h ^= tail[2] << 16
    if len(tail) >= 2:
        h ^= tail[1] << 8
    if len(tail) >= 1:
        h ^= tail[0]
        h = (h * m) & _U32
    h ^= h >> 13
    h = (h * m) & _U32
    h ^= h >> 15
    return h - (1 << 32) if h >= 1 << 31 else h


def partition(key: bytes, n_partitions: int) -> int:
    """toPositive(hash) % n, as Java's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % n_partitions
