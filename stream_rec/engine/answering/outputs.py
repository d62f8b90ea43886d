"""Arrays that kernels fill with answers, and the answers in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold import encode
from stream_rec.engine.fold.arrange import Marked
from stream_rec.engine.fold.encode import BETWEEN, SCORE_DECIMALS, Places, Words
from stream_rec.engine.fold.judge import PrequentialRanks
from stream_rec.engine.fold.pool import FALLBACK
from stream_rec.engine.fold.slates import Slates
from stream_rec.engine.held import Memory
from stream_rec.engine.names import ItemNames
from stream_rec.engine.results import MARK_NAMES, Encoded, Judged, Ranked, Rated, mark_name
from stream_rec.kernels.codes import NO_CODE, ROW_MASK
from stream_rec.kernels.vocabulary import VocabularyState
from stream_rec.schemas.columns import IdColumn

_KNOWN_WORDS = 64
"""An engine has few sets of sources and fallbacks at a time."""
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Filled:
    """Slates for n users, before anything in them has a name.

    Attributes:
        slates: filled.
        marked: what rules did; None = there were none.
        fallbacks: of the scenario, in order: what marks of fallbacks name.
    """

    slates: Slates
    marked: Marked | None = None
    fallbacks: tuple[str, ...] = ()

    def hashes(self, items: VocabularyState) -> NDArray[np.uint64]:
        """uint64 [n, k], of the item ids; 0 = none."""
        codes = self.slates.codes
        return np.where(codes != NO_CODE, items.hashes[codes & ROW_MASK], np.uint64(0))


def empty_ranks(n: int, n_sources: int, n_rated: int = 0) -> PrequentialRanks:
    """Room for n judged events, and for what a batch of `n_rated` events rates."""
    return PrequentialRanks(
        at=np.zeros(n, np.int32),
        rank=np.zeros(n, np.int32),
        by_source=np.zeros((n, n_sources), np.int32),
        popularity=np.zeros(n, np.int32),
        only_index=np.zeros(n, np.bool_),
        n_judged=np.zeros(1, np.int64),
        predicted=np.full(n_rated, np.nan, np.float32),
    )


def judged(ranks: PrequentialRanks, places: NDArray[np.int64]) -> Judged:
    """Filled ranks as the engine gives them out.

    Args:
        ranks: of the batch's events without duplicates.
        places: int64 [n], where each of these events stands in the batch.
    """
    return Judged(
        places[ranks.at].astype(np.int32), ranks.rank, ranks.by_source, ranks.popularity, ranks.only_index
    )


def rated(ranks: PrequentialRanks, values: NDArray[np.float32], places: NDArray[np.int64]) -> Rated:
    """The ratings of a batch as the engine gives them out.

    Args:
        ranks: filled.
        values: [n], of the batch's events without duplicates.
        places: as `judged` has them.
    """
    at = np.flatnonzero(~np.isnan(ranks.predicted))
    return Rated(places[at], values[at], ranks.predicted[at])


def empty_slates(n: int, k: int) -> Slates:
    """Room for n slates of k places."""
    return Slates(
        codes=np.zeros((n, k), np.int32),
        scores=np.zeros((n, k), np.float32),
        sources=np.zeros((n, k), np.int8),
        because=np.zeros((n, k), np.int32),
        only_index=np.zeros((n, k), np.bool_),
        lengths=np.zeros(n, np.int32),
        relaxed=np.zeros(n, np.bool_),
    )


def empty_marks(n: int, k: int) -> Marked:
    """Room for what slates under rules say besides."""
    return Marked(np.zeros((n, k), np.uint8), np.ones((n, k), np.float32))


def ranked(
    filled: Filled,
    names: ItemNames,
    items: VocabularyState,
    sources: tuple[str, ...],
    rules_upto: int | None,
) -> Ranked:
    """Filled slates as the engine gives them out."""
    out, marked = filled.slates, filled.marked
    lengths = out.lengths.tolist()
    named, because = names.of(items, np.stack([out.codes, out.because]))

    def cut(array: NDArray[Any]) -> list[list[Any]]:
        return [row[:m] for row, m in zip(array.tolist(), lengths, strict=True)]

    return Ranked(
        items=cut(named),
        scores=cut(np.round(out.scores.astype(np.float64), SCORE_DECIMALS)),
        sources=cut(out.sources),
        because=cut(because),
        rows=np.where(out.codes != NO_CODE, out.codes & ROW_MASK, np.int32(-1)),
        hashes=filled.hashes(items),
        only_index=out.only_index,
        relaxed=out.relaxed.tolist(),
        source_names=sources,
        marks=marked.marks if marked else None,
        propensities=marked.propensities if marked else None,
        fallbacks=filled.fallbacks,
        rules_upto=rules_upto,
    )


def encoded(filled: Filled, memory: Memory, sources: tuple[str, ...]) -> Encoded:
    """Filled slates as they are stored.

    Raises:
        ValueError: a score is not finite, or beyond all measure.
    """
    out = filled.slates
    marks, propensities = filled.marked or empty_marks(*out.codes.shape)
    places = Places(out.codes, out.scores, out.sources, out.because, out.lengths, marks, propensities)
    words, longest = _words(sources, filled.fallbacks)
    n_bytes = encode.size(memory.handle, places, longest)
    if n_bytes < 0:
        raise ValueError("a score is not finite")
    json, ends = np.empty(n_bytes, np.uint8), np.empty(len(out.lengths), np.int64)
    encode.encode(memory.handle, places, words, json, ends)
    return Encoded(
        items=_cut(json, ends),
        hashes=filled.hashes(memory.state.items),
        n_items=int(out.lengths.sum()),
        n_only_index=int(out.only_index.sum()),
        relaxed=out.relaxed.tolist(),
    )


def _cut(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[bytes]:
    ended = ends.tolist()
    whole = data[: ended[-1]].tobytes() if ended else b""
    return [whole[start:end] for start, end in zip([0, *ended], ended, strict=False)]


@lru_cache(maxsize=_KNOWN_WORDS)
def _words(sources: tuple[str, ...], fallbacks: tuple[str, ...]) -> tuple[Words, int]:
    """What is said besides ids and numbers, and how long the words of one place can be."""
    marks = [*range(FALLBACK), *(FALLBACK + at for at in range(len(fallbacks)))]
    names = [mark_name(mark, fallbacks) if mark in MARK_NAMES or mark >= FALLBACK else None for mark in marks]
    of_sources = [f'{{"source":{_json(name).decode()}' for name in sources]
    by = [f',"by":{_json(name).decode()}' if name is not None else "" for name in names]
    longest = sum(len(each.encode()) for each in BETWEEN)
    longest += sum(max((len(each.encode()) for each in texts), default=0) for texts in (of_sources, by))
    return Words(IdColumn.of(BETWEEN), IdColumn.of(of_sources), IdColumn.of(by)), longest + 1
