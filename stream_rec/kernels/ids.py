"""64-bit hashes of ids, and the random numbers that are functions of an event's place in the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel, kernel_inner
from stream_rec.schemas.columns import IdColumn

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@kernel
def mix(value):
    """SplitMix64's finaliser (Steele et al., OOPSLA 2014): uint64 -> uint64, a bijection."""
    value = (value ^ (value >> _S30)) * _M1
    value = (value ^ (value >> _S27)) * _M2
    return value ^ (value >> _S31)


@kernel_inner
def hash_bytes(data, start, end):
    """FNV-1a over data[start:end], finalised; uint64, never 0 unless the bytes are empty."""
    if end == start:
        return np.uint64(0)
    fnv = _FNV_OFFSET
    for i in range(start, end):
        fnv = (fnv ^ np.uint64(data[i])) * _FNV_PRIME
    id_hash = mix(fnv)
    return id_hash if id_hash != np.uint64(0) else np.uint64(1)


@kernel
def hash_all(data, ends, out):
    """out[i] = hash of id i; see hash_ids."""
    start = np.int64(0)
    for i in range(ends.shape[0]):
        end = ends[i]
        out[i] = hash_bytes(data, start, end)
        start = end


@kernel
def uniform(seed, draw):
    """The draw-th random uint64 of a seed; the same wherever and whenever it is asked for."""
    return mix(seed + (np.uint64(draw) + np.uint64(1)) * _GOLDEN)


@kernel_inner
def unit(bits):
    """A float64 in [0, 1) from 53 bits of a uint64."""
    return np.float64(bits >> _S11) * (1.0 / 9007199254740992.0)


@kernel
def event_seeds(base, offsets, out):
    """out[i] = a seed for the event at offsets[i] of the topic-partition whose seed is base."""
    for i in range(offsets.shape[0]):
        out[i] = mix(base ^ mix(np.uint64(offsets[i]) + _GOLDEN))


def hash_ids(ids: IdColumn) -> NDArray[np.uint64]:
    """64-bit hashes of n ids (0 for an empty id); the same on every machine and in every run."""
    out = np.empty(len(ids.ends), np.uint64)
    hash_all(ids.data, ids.ends, out)
    return out


def hash_id(text: str) -> int:
    """The hash of one id, as decisions name users by."""
    return int(hash_ids(IdColumn.of([text]))[0])
