"""A batch as the learning kernels take it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.learn import Events
from stream_rec.engine.fold.state import Query
from stream_rec.engine.learning.event_meanings import EventMeanings
from stream_rec.engine.names import rows_of
from stream_rec.kernels.ids import event_seeds, hash_ids
from stream_rec.kernels.vocabulary import VocabularyState
from stream_rec.schemas.columns import EventBatch, IdColumn


def columns(batch: EventBatch, seed: int, meanings: EventMeanings) -> Events:
    """Ids with their hashes, what the events mean, and the seed of each: a function of `seed` and where it stands."""
    base = hash_ids(IdColumn.of([f"{seed}/{batch.span.topic}/{batch.span.partition}"]))[0]
    seeds = np.empty(len(batch), np.uint64)
    event_seeds(base, batch.offsets, seeds)
    return Events(
        user_data=batch.users.data,
        user_ends=batch.users.ends,
        user_hashes=hash_ids(batch.users),
        item_data=batch.items.data,
        item_ends=batch.items.ends,
        item_hashes=hash_ids(batch.items),
        sessions=hash_ids(batch.sessions),
        ts=batch.ts,
        **meanings.columns(batch)._asdict(),
        seeds=seeds,
    )


def named(ids: IdColumn) -> NDArray[np.uint64]:
    """[n], hashes; 0 = none."""
    if not len(ids.data):
        return np.zeros(len(ids.ends), np.uint64)
    return np.where(np.diff(ids.ends, prepend=0) > 0, hash_ids(ids), np.uint64(0))


Marked = bool | NDArray[np.bool_]
"""All or none of the events, or bool [n]."""
LeftOut = Sequence[IdColumn] | None
"""Items for each event, or none at all."""


def without(
    dropped: NDArray[np.int64], batch: EventBatch, judge: Marked, left_out: LeftOut
) -> tuple[NDArray[np.int64], EventBatch, Marked, LeftOut]:
    """A batch and what is asked of it without some events; first, int64 [m]: where the others stand in the batch."""
    new = np.delete(np.arange(len(batch)), dropped)
    if not len(dropped):
        return new, batch, judge, left_out
    judge = judge[new] if isinstance(judge, np.ndarray) else judge
    left_out = None if left_out is None else [left_out[i] for i in new.tolist()]
    return new, batch.only(new), judge, left_out


@contextmanager
def leaving_out(query: Query, items: VocabularyState, ids: IdColumn | None) -> Iterator[None]:
    """These items take no part in the ranking that is judged inside."""
    if ids is None:
        yield
        return
    rows = rows_of(items, ids)
    rows = rows[rows >= 0]
    query.left_out[rows] = True
    yield
    query.left_out[rows] = False
