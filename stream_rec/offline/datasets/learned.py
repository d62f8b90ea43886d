"""An engine that has learned a log from a file: to try something out without a broker."""

from __future__ import annotations

from stream_rec.engine.engine import Engine
from stream_rec.offline.datasets.named import load_columns, load_items
from stream_rec.offline.datasets.rows import to_batches
from stream_rec.schemas.columns import ItemBatch, ItemChange, Span
from stream_rec.settings import Settings

BATCH = 4096


def engine_of(source: str, settings: Settings) -> Engine:
    """Learn a file or a named data set, its catalogue first.

    Raises:
        ConfigError: it cannot be read, or holds no good row.
    """
    log, items = load_columns(source, settings.data), load_items(source, settings.data)
    engine = Engine(settings.engine, settings.measure)
    if items:
        changes = [ItemChange(at, 0, item.item_id, item) for at, item in enumerate(items)]
        engine.upsert_items(ItemBatch(Span("items", 0, 0, 0, len(changes)), changes))
    for batch in to_batches(log, BATCH):
        engine.learn(batch)
    return engine
