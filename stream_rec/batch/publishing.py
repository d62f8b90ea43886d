"""Item factors as a vector space: what the stream's ranker makes of them, it learns from the events."""

from __future__ import annotations

import numpy as np

from stream_rec.batch.als import Trained
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.errors import ConfigError
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Vector
from stream_rec.schemas.vector_changes import decode_vectors, vector_key
from stream_rec.settings import Settings


def publish(trained: Trained, settings: Settings, space: str) -> int:
    """Replace a space by these factors: items that are not among them leave it. How many vectors were published.

    Factors of only zeros, of items without a say, have no angle and are left out.

    Raises:
        ConfigError: the space has vectors of another length.
        Unavailable: Kafka.
    """
    there, length = held(settings, space)
    if there and length != trained.factors.shape[1]:
        raise ConfigError(
            f"the space {space} has vectors of {length} numbers, these have {trained.factors.shape[1]}",
            fix="give another --space, or `stream-rec vectors remove` first",
        )
    norms = np.linalg.norm(trained.factors, axis=1)
    usable = np.isfinite(norms) & (norms > 0)
    items = [trained.items[at] for at in np.flatnonzero(usable).tolist()]
    with Publisher(settings.bus, settings.ingest) as publisher:
        for item, factors in zip(items, trained.factors[usable].tolist(), strict=True):
            publisher.send(Vector(space, item, tuple(factors)))
        for item in sorted(there - set(items)):
            publisher.send_raw("vectors", vector_key(space, item).encode(), None)
    return len(items)


def held(settings: Settings, space: str) -> tuple[set[str], int]:
    """Items of the space, and the length of its vectors."""
    items: set[str] = set()
    length = 0
    for batch in read_through(settings.bus, OffsetReader(settings.bus).bounds(["vectors"])):
        for change in decode_vectors(batch, batch.span(), settings.ingest).batch.changes:
            if change.space != space:
                continue
            if change.values is None:
                items.discard(change.item_id)
            elif not items or len(change.values) == length:
                length = len(change.values)
                items.add(change.item_id)
    return items, length
