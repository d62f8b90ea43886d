"""A batch as the learning kernels take it."""

from __future__ import annotations

import numpy as np

from schemas.batch import EventBatch, IdColumn
from stream_rec.kernels.ids import event_seeds, hash_ids
from stream_rec.kernels.learn import Events
from stream_rec.settings import EngineSettings


def columns(batch: EventBatch, settings: EngineSettings) -> Events:
    """Ids with their hashes, weights, and the seed of each event: a function of the settings' and where it stands."""
    base = hash_ids(IdColumn.of([f"{settings.seed}/{batch.span.topic}/{batch.span.partition}"]))[0]
    seeds = np.empty(len(batch), np.uint64)
    event_seeds(base, batch.offsets, seeds)
    weights = settings.event_weights
    return Events(
        user_data=batch.users.data,
        user_ends=batch.users.ends,
        user_hashes=hash_ids(batch.users),
        item_data=batch.items.data,
        item_ends=batch.items.ends,
        item_hashes=hash_ids(batch.items),
        sessions=hash_ids(batch.sessions),
        ts=batch.ts,
        weights=np.array([weights.get(t, 1.0) for t in batch.event_types], np.float32),
        seeds=seeds,
    )
