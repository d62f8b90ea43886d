"""Catalogue batches into the state and the vector index; and whether only what the catalogue has is recommended."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.catalogue.attributes import described
from stream_rec.engine.fold import catalogue
from stream_rec.engine.fold.state import State
from stream_rec.engine.held import Held
from stream_rec.engine.learning.event_clock import JUMP_SECONDS
from stream_rec.engine.spaces.item_vectors import VectorIndex
from stream_rec.engine.spaces.learning import Spaces
from stream_rec.kernels.columns import Described
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn, ItemBatch, ItemChange
from stream_rec.sources.factorization import N_TAGS, TAGS_PER_ITEM


def hashed_tags(tags: tuple[str, ...]) -> NDArray[np.int32]:
    """int32 [TAGS_PER_ITEM]: the first tags as buckets 1 .. N_TAGS - 1, 0 = none (Weinberger et al., ICML 2009)."""
    out = np.zeros(TAGS_PER_ITEM, np.int32)
    kept = [tag for tag in dict.fromkeys(tags) if tag][:TAGS_PER_ITEM]
    if kept:
        out[: len(kept)] = 1 + hash_ids(IdColumn.of(kept)) % np.uint64(N_TAGS - 1)
    return out


COVERED = 0.8
"""The share of the latest events that a catalogue must cover before it decides what is shown."""


def decides(state: State, rule: Literal["auto", "required", "off"]) -> bool:
    """Is only what the catalogue has recommended now? `engine.catalogue` says when.

    auto: as soon as it has the items of COVERED of the latest events (those on items that were removed or are not
    available do not count). So a catalogue that is half loaded hides nothing, and there is always something to show.
    """
    if rule != "auto" or not state.counters[0]["n_items_changed"]:
        return rule == "required"
    n_covered, n = catalogue.covered(
        state.factors.recent,
        state.factors.n_recent,
        state.generation,
        state.popularity.eligible,
        state.in_catalogue,
    )
    return bool(n_covered > 0 and n_covered >= COVERED * n)


def apply(
    held: Held, vectors: VectorIndex, spaces: Spaces, batch: ItemBatch, position: int, seed: np.uint64
) -> None:
    """Learn the changes at or after `position`, in log order; the index knows each at once."""
    changes = [change for change in batch.changes if change.offset >= position]
    given = [described(change.item) if change.item is not None else None for change in changes]
    ids = [change.item_id.encode() for change in changes]
    n_bytes = sum(map(len, ids))
    n_text_bytes = sum(len(each.data) for each in given if each is not None)
    held.make_room(0, n_bytes, n_bytes, n_bytes, n_text_bytes)
    hashes = hash_ids(IdColumn.of([change.item_id for change in changes]))
    for change, of_item, raw, h in zip(changes, given, ids, hashes, strict=True):
        data, placed = np.frombuffer(raw, np.uint8), -1
        if change.item is None or of_item is None:
            row = int(catalogue.remove(held.handle.state, data, h))
            if row >= 0:
                spaces.catalogue_removed(row)
        else:
            row = _upsert(held, change, of_item, data, h, seed)
            placed = spaces.describe(change.item, row)
        if row >= 0:
            vectors.update_one(held.state, row, placed=placed)
    vectors.settle()


def _upsert(
    held: Held, change: ItemChange, given: Described, data: NDArray[np.uint8], h: np.uint64, seed: np.uint64
) -> int:
    clock, item = float(held.state.clock[0]), change.item
    assert item is not None
    came = item.ts
    if not came and item.available_from is not None and item.available_from <= clock:
        came = item.available_from  # it has been there since, whoever tells of it only now
    ts = float("nan") if not came else min(came, clock + JUMP_SECONDS) if clock else came
    available = item.available and not item.hidden
    tags = hashed_tags(item.tags)
    now = clock or max(
        0.0, change.broker_ts / 1000
    )  # before the first event, windows go by the broker's time
    learned, rates = held.handle.state, held.handle.rates
    return int(catalogue.upsert(learned, rates, data, h, tags, ts, available, given, now, seed))
