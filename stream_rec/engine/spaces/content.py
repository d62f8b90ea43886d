"""The built-in space `content`: what the catalogue says of an item, hashed into a vector; no model to download.

Every field (title, tags, description, owner, attributes) becomes the sum of its words' random signs, each weighted by
how rare the word has been up to now, and is brought to its own length before the fields are added: a long description
does not drown the tags.
Sources: feature hashing, Weinberger et al., ICML 2009; inverse document frequency, Spärck Jones, 1972, smoothed;
random signs (bits of splitmix64 from each word's hash on; Steele et al., OOPSLA 2014) as a projection, Achlioptas,
JCSS 66, 2003.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.content import describe
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Item
from stream_rec.sources.vectors import SpaceState

WORDS_PER_FIELD = 64
"""Further words of a field do not count."""
WEIGHTS = {"tags": 1.0, "title": 0.5, "description": 0.5, "owner": 0.3, "attributes": 0.5}
"""Length of each field's part."""
_WORD = re.compile(r"\w\w+")


def content_vector(own: SpaceState, item: Item, width: int) -> NDArray[np.float32] | None:
    """An item's vector of unit length, float32 [width]; None = the catalogue says nothing of it.

    Counts the words of the item: the weights of later items know them.
    """
    fields = list(_fields(item))
    if not fields:
        return None
    hashes = hash_ids(IdColumn.of([word for _, words in fields for word in words]))
    ends = np.cumsum([len(words) for _, words in fields])
    weights = np.array([WEIGHTS[field] for field, _ in fields])
    part, total, vector = np.empty(width), np.empty(width), np.empty(width, np.float32)
    is_one = describe(own.frequencies, own.n_texts, hashes, ends, weights, part, total, vector)
    return vector if is_one else None


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
