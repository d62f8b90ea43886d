"""What is done with `items`: decode, teach the engine, keep Redis' set `removed` in step."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.base import DecodedBatch, HandlerContext, WrittenBatch
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.engine.engine import Engine
from stream_rec.schemas.codec import decode_items
from stream_rec.schemas.columns import ItemBatch
from stream_rec.schemas.records import TopicName
from stream_rec.store.lists import ListStore

TOPIC: TopicName = "items"


@dataclass(frozen=True, slots=True)
class LearnedItems:
    """A batch that the engine has learned.

    Attributes:
        decoded: the batch.
        hidden: ids of its items that must not be shown: removed, not available, hidden, outside of their window.
        shown: ids of the others.
    """

    decoded: DecodedBatch[ItemBatch]
    hidden: list[str]
    shown: list[str]


class ItemsHandler:
    """Keeps the catalogue.

    Args:
        context: what every handler works with.
        lists: where `removed` is.
        touched: items whose neighbours have changed; told of every item that came or changed.
    """

    def __init__(self, context: HandlerContext, lists: ListStore, touched: TouchedItems) -> None:
        self._context = context
        self._lists = lists
        self._touched = touched

    def decode(self, fetched: Fetched) -> DecodedBatch[ItemBatch]:
        """The good changes; the reasons against the others."""
        return self._context.decode(decode_items, fetched)

    def learn(self, engine: Engine, decoded: DecodedBatch[ItemBatch]) -> LearnedItems:
        """The engine knows the items, and no longer ranks those that are gone."""
        with decoded.times.stage("index"):
            evicted = engine.upsert_items(decoded.batch)
        at = decoded.span
        self._context.measures.add(at.topic, at.partition, "evicted_items", evicted, at.next - at.start)
        ids = list(dict.fromkeys(change.item_id for change in decoded.batch.changes))
        hidden = engine.hidden(ids)
        gone = set(hidden)
        shown = [item for item in ids if item not in gone]
        self._touched.touch(shown)
        return LearnedItems(decoded, hidden, shown)

    async def write(self, learned: LearnedItems, stop: asyncio.Event) -> WrittenBatch[ItemBatch]:
        """Stored slates hide what is removed or not available, and show again what is back."""
        decoded = learned.decoded
        batch = decoded.batch
        with decoded.times.stage("write"):
            await self._context.until(
                partial(self._write, learned), what=f"write {len(batch)} catalogue changes", stops=[stop]
            )
        return WrittenBatch(decoded, await self._context.publish(decoded))

    def measure(self, written: WrittenBatch[ItemBatch]) -> None:
        """What was rejected, and how long it took."""
        self._context.measure(written.decoded, written.receipt)

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn changes that are in Redis already."""
        engine.upsert_items(self.decode(fetched).batch)

    async def _write(self, learned: LearnedItems) -> None:
        await self._lists.remove_items(learned.hidden)
        await self._lists.restore_items(learned.shown)
