"""Slates as JSON, as they are stored: the records `SlateItem` of stream_rec.schemas.records, byte by byte."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.kernels.compile import kernel, kernel_inner, kernel_unlocked
from stream_rec.kernels.json_text import ESCAPED_BYTES, NUMBER_BYTES, TOO_LARGE, put, put_number, put_text
from stream_rec.kernels.reference import lend
from stream_rec.schemas.columns import IdColumn

SCORE_DECIMALS = 4
"""More tell a reader nothing, and make slates longer."""
PROPENSITY_DECIMALS = 6
ITEM, SCORE, REASON, BECAUSE, CLOSE, PROPENSITY = range(6)
"""Places of what stands between values in Words.between."""
BETWEEN = ('{"item_id":', ',"score":', ',"reason":', ',"item_id":', "}", ',"propensity":')
_COMMA, _OPEN, _SHUT = 0x2C, 0x5B, 0x5D


class Words(NamedTuple):
    """What is said in slates besides ids and numbers, as JSON.

    Attributes:
        between: BETWEEN.
        sources: by number, `{"source":"NAME"`.
        by: by mark (engine.fold.pool), `,"by":"NAME"`; empty = nothing is said.
    """

    between: IdColumn
    sources: IdColumn
    by: IdColumn


class Places(NamedTuple):
    """n slates of k places, as `engine.fold.slates.Slates` and `engine.fold.arrange.Marked` have them.

    Attributes:
        codes: int32 [n, k].
        scores: float32 [n, k].
        sources: int8 [n, k].
        because: int32 [n, k].
        lengths: int32 [n].
        marks: uint8 [n, k].
        propensities: float32 [n, k].
    """

    codes: NDArray[np.int32]
    scores: NDArray[np.float32]
    sources: NDArray[np.int8]
    because: NDArray[np.int32]
    lengths: NDArray[np.int32]
    marks: NDArray[np.uint8]
    propensities: NDArray[np.float32]


@kernel_inner
def _id_bytes(items, code):
    return max(np.int64(items.lengths[code & ROW_MASK]), 0)


@kernel_inner
def _size(items, places, longest):
    """Bytes that the slates can take at most, where the words of a place take so many."""
    n_bytes = np.int64(0)
    for i in range(places.codes.shape[0]):
        n_bytes += 2
        for at in range(places.lengths[i]):
            ids = _id_bytes(items, places.codes[i, at]) + _id_bytes(items, places.because[i, at])
            n_bytes += ids * ESCAPED_BYTES + 4 + longest + 2 * NUMBER_BYTES + 1
    return n_bytes


@kernel
def size(handle, places, longest):
    """Bytes that `encode` needs at most; -1 = a score is no number that can be written.

    Args:
        handle: of the engine.
        places: of n slates.
        longest: bytes of the longest words of a place.
    """
    for i in range(places.codes.shape[0]):
        for at in range(places.lengths[i]):
            if not abs(places.scores[i, at]) < TOO_LARGE:
                return np.int64(-1)
    return _size(handle.state.items, lend(places), longest)


@kernel_inner
def _put_id(items, code, out, at):
    start = items.starts[code & ROW_MASK]
    return put_text(out, at, items.arena, start, start + _id_bytes(items, code))


@kernel_inner
def _put_place(items, places, words, i, j, out, at):
    at = put(out, at, words.between, ITEM)
    at = _put_id(items, places.codes[i, j], out, at)
    at = put(out, at, words.between, SCORE)
    at = put_number(out, at, places.scores[i, j], SCORE_DECIMALS)
    at = put(out, at, words.between, REASON)
    at = put(out, at, words.sources, places.sources[i, j])
    if places.because[i, j] != NO_CODE:
        at = put(out, at, words.between, BECAUSE)
        at = _put_id(items, places.because[i, j], out, at)
    at = put(out, at, words.between, CLOSE)
    at = put(out, at, words.by, places.marks[i, j])
    if places.propensities[i, j] < 1.0:
        at = put(out, at, words.between, PROPENSITY)
        at = put_number(out, at, places.propensities[i, j], PROPENSITY_DECIMALS)
    return put(out, at, words.between, CLOSE)


@kernel_inner
def _encode(items, places, words, out, ends):
    at = np.int64(0)
    for i in range(places.codes.shape[0]):
        out[at] = _OPEN
        at += 1
        for j in range(places.lengths[i]):
            if j:
                out[at] = _COMMA
                at += 1
            at = _put_place(items, places, words, i, j, out, at)
        out[at] = _SHUT
        at += 1
        ends[i] = at


@kernel_unlocked
def encode(handle, places, words, out, ends):
    """The slates, one behind the other: slate i is out[ends[i - 1]:ends[i]].

    Args:
        handle: of the engine.
        places: of n slates.
        words: of the engine.
        out: uint8, of `size` bytes.
        ends: int64 [n].
    """
    _encode(handle.state.items, lend(places), lend(words), out, ends)
