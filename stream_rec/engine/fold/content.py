"""An item's words, hashed, into one vector: see `engine.spaces.content`, which says where the formulas are from."""

from __future__ import annotations

import math

import numpy as np

from stream_rec.kernels.compile import kernel
from stream_rec.kernels.ids import mix
from stream_rec.sources.vectors import N_WORDS

_STEP = np.uint64(0x9E3779B97F4A7C15)
_N_BEFORE = 10.0
"""Records that are taken to have come before the first one, so that the first words are not weighted wildly."""


@kernel
def rarity(n_texts, frequency):
    """What a word counts for: log(1 + (records + 10) / (records with the word + 1))."""
    return math.log1p((n_texts + _N_BEFORE) / (frequency + 1.0))


@kernel
def describe(frequencies, n_texts, hashes, ends, weights, part, total, out):
    """Add up the fields' parts, each brought to its weight, and count the words; is there a vector of unit length?

    Args:
        frequencies: int32 [N_WORDS], records that a hashed word counted for; counted up, once for each word.
        n_texts: int64 [1], records; counted up.
        hashes: uint64 [m], of the words, field after field.
        ends: int64 [f], where each field ends.
        weights: float64 [f], length of each field's part.
        part: float64 [W], working memory.
        total: float64 [W], working memory.
        out: float32 [W], written.
    """
    total[:] = 0.0
    first = 0
    for field in range(ends.shape[0]):
        part[:] = 0.0
        for word in range(first, ends[field]):
            weight = rarity(n_texts[0], frequencies[hashes[word] % np.uint64(N_WORDS)])
            for j in range(part.shape[0]):
                bits = mix(hashes[word] + np.uint64(j + 1) * _STEP)
                part[j] += weight if bits >> np.uint64(63) else -weight
        length = 0.0
        for j in range(part.shape[0]):
            length += part[j] * part[j]
        if length > 0.0:
            for j in range(part.shape[0]):
                total[j] += weights[field] / math.sqrt(length) * part[j]
        first = ends[field]
    for word in range(hashes.shape[0]):
        bucket = hashes[word] % np.uint64(N_WORDS)
        is_new = True
        for before in range(word):
            is_new &= hashes[before] % np.uint64(N_WORDS) != bucket
        frequencies[bucket] += is_new
    n_texts[0] += 1
    length = 0.0
    for j in range(total.shape[0]):
        length += total[j] * total[j]
    for j in range(total.shape[0]):
        out[j] = total[j] / math.sqrt(length) if length > 0.0 else 0.0
    return length > 0.0
