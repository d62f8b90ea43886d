"""SplitMix64 and FNV-1a in Python's integers."""

from __future__ import annotations

_U64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix(x: int) -> int:
    """SplitMix64's finaliser, Steele, Lea, Flood, OOPSLA 2014."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _U64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _U64
    return x ^ (x >> 31)


def uniform(seed: int, draw: int) -> int:
    """The draw-th number of the stream that begins at a seed."""
    return mix((seed + (draw + 1) * _GOLDEN) & _U64)


def hash_id(name: str) -> int:
    """FNV-1a over UTF-8, finalised by `mix`; 0 only for the empty id."""
    if not name:
        return 0
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & _U64
    return mix(h) or 1
