"""The built-in space `content`: what the catalogue says of an item, hashed into a vector; no model to download.

Every field (title, tags, description, owner, attributes) becomes the sum of its words' random signs, each weighted by
how rare the word has been up to now, and is brought to its own length before the fields are added: a long description
does not drown the tags.
Sources: feature hashing, Weinberger et al., ICML 2009; inverse document frequency, Spärck Jones, 1972, smoothed;
random signs as a projection, Achlioptas, JCSS 66, 2003.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Item
from stream_rec.sources.vectors import N_WORDS, SpaceState

WORDS_PER_FIELD = 64
"""Further words of a field do not count."""
WEIGHTS = {"tags": 1.0, "title": 0.5, "description": 0.5, "owner": 0.3, "attributes": 0.5}
"""Length of each field's part."""
_N_BEFORE = 10.0
"""Records that are taken to have come before the first one, so that the first words are not weighted wildly."""
_WORD = re.compile(r"\w\w+")
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def content_vector(own: SpaceState, item: Item, width: int) -> NDArray[np.float32] | None:
    """An item's vector of unit length, float32 [width]; None = the catalogue says nothing of it.

    Counts the words of the item: the weights of later items know them.
    """
    total = np.zeros(width)
    used: list[NDArray[np.int64]] = []
    for field, words in _fields(item):
        hashes = hash_ids(IdColumn.of(words))
        buckets = (hashes % np.uint64(N_WORDS)).astype(np.int64)
        part = (_rarity(own, buckets)[:, None] * _signs(hashes, width)).sum(axis=0)
        used.append(buckets)
        if (length := math.sqrt(float((part * part).sum()))) > 0:
            total += WEIGHTS[field] / length * part
    if not used:
        return None
    own.frequencies[np.unique(np.concatenate(used))] += 1
    own.n_texts[0] += 1
    length = math.sqrt(float((total * total).sum()))
    return (total / length).astype(np.float32) if length > 0 else None


def _fields(item: Item) -> Iterator[tuple[str, list[str]]]:
    """The words of every field that has any, each once; the same word in two fields is two."""
    given = {
        "tags": [f"tag:{tag.lower()}" for tag in item.tags if tag],
        "title": _WORD.findall(item.title.lower()),
        "description": _WORD.findall((item.description or "").lower()),
        "owner": [f"owner:{item.owner}"] if item.owner else [],
        "attributes": [
            f"{name}={value}".lower()
            for name, values in sorted((item.attributes or {}).items())
            for value in (values if isinstance(values, tuple) else (values,))
            if isinstance(value, str | bool)
        ],
    }
    for field, words in given.items():
        if kept := list(dict.fromkeys(words))[:WORDS_PER_FIELD]:
            yield field, kept


def _rarity(own: SpaceState, buckets: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each word counts for: log(1 + (records + 10) / (records with the word + 1))."""
    weights: NDArray[np.float64] = np.log1p(
        (float(own.n_texts[0]) + _N_BEFORE) / (own.frequencies[buckets] + 1.0)
    )
    return weights


def _signs(hashes: NDArray[np.uint64], width: int) -> NDArray[np.float64]:
    """float64 [n, width] of -1 and 1: bits of splitmix64 from each hash on (Steele et al., OOPSLA 2014)."""
    at = np.arange(1, width + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        bits = hashes[:, None] + at * _STEP
        bits = (bits ^ (bits >> np.uint64(30))) * _MIX[0]
        bits = (bits ^ (bits >> np.uint64(27))) * _MIX[1]
    return np.where((bits >> np.uint64(63)).astype(np.bool_), 1.0, -1.0)
