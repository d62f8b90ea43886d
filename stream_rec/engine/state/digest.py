"""A hash of everything that was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.names import n_rows, name_of
from stream_rec.engine.state.layout import VOCABULARIES, is_layout, learned
from stream_rec.kernels.vocabulary import VocabularyState
from stream_rec.schemas.partition import TopicPartition

_PLACES = {f"{name}.starts" for name in VOCABULARIES}
"""Where ids lie in memory."""


def _names(v: VocabularyState) -> bytes:
    return "\n".join(name_of(v, row) for row in range(n_rows(v)) if v.lengths[row] >= 0).encode()


def _add(h: xxhash.xxh3_128, name: str, array: NDArray[Any]) -> None:
    h.update(name.encode())
    h.update(np.ascontiguousarray(array).view(np.uint8).data)


def digest(
    state: State, others: Mapping[str, NDArray[Any]], position: Mapping[TopicPartition, int] | None = None
) -> str:
    """128 bits over all that is known; equal if and only if (but for collisions) two engines know the same.

    Where ids lie in memory is no part of what is known: a vocabulary is hashed by its ids in row order. Rows that were
    never taken are left out, so the cost goes with what is known, not with the bounds.

    Args:
        state: of the sources and the ranker.
        others: arrays beside it: the join of impressions, the vector index.
        position: next offset to learn, by topic and partition.
    """
    h = xxhash.xxh3_128()
    for name in VOCABULARIES:
        vocabulary = getattr(state, name)
        h.update(_names(vocabulary))
        h.update(vocabulary.counters["hand"].tobytes())
    for path, array in learned(state).items():
        if not is_layout(path) and path not in _PLACES:
            _add(h, path, array)
    for name, array in others.items():
        _add(h, name, array)
    for (topic, partition), offset in sorted((position or {}).items()):
        h.update(f"{topic}/{partition}={offset};".encode())
    return h.hexdigest()
