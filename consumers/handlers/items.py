"""What is done with `items`: decode, teach the engine, keep Redis' set `removed` in step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.output.dead_letters import count_unusable, dead_letters
from stream_rec.consumers.output.emitter import Emitter, Receipt
from stream_rec.consumers.runtime.stage_times import StageTimes
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.codec import decode_items
from stream_rec.schemas.columns import Decoded, ItemBatch
from stream_rec.settings import IngestSettings
from stream_rec.store.lists import ListStore

TOPIC = "items"


@dataclass(slots=True)
class ItemsWork:
    """A batch of catalogue changes on its way."""

    fetched: Fetched
    decoded: Decoded[ItemBatch]
    times: StageTimes


class ItemsHandler:
    """Keeps the catalogue.

    Args:
        rules: what is let in.
        lists: where `removed` is.
        emitter: publishes dead letters.
        measures: touched in the engine's thread only.
        until: `store.waiting.until_available` with its settings.
        touch: told of every item that came or changed; engine's thread.
    """

    def __init__(
        self,
        rules: IngestSettings,
        lists: ListStore,
        emitter: Emitter,
        measures: Measures,
        until: Callable[..., Awaitable[None]],
        touch: Callable[[list[str]], None],
    ) -> None:
        self._rules = rules
        self._lists = lists
        self._emitter = emitter
        self._measures = measures
        self._until = until
        self._touch = touch

    def decode(self, fetched: Fetched) -> ItemsWork:
        """The good changes; the reasons against the others."""
        times = StageTimes()
        with times.stage("ingest"):
            decoded = decode_items(fetched, fetched.span(TOPIC), self._rules)
        return ItemsWork(fetched, decoded, times)

    def learn(self, engine: Engine, work: ItemsWork) -> None:
        """The engine knows the items, and no longer ranks those that are gone."""
        with work.times.stage("index"):
            engine.upsert_items(work.decoded.batch)
        self._touch([item.item_id for item in work.decoded.batch.upserts if item.available])

    async def write(self, work: ItemsWork, stop: asyncio.Event) -> Receipt:
        """Stored slates hide what is removed or not available, and show again what is back."""
        batch = work.decoded.batch
        upserts = batch.upserts
        gone = [*batch.removed, *(item.item_id for item in upserts if not item.available)]
        there = [item.item_id for item in upserts if item.available]

        async def step() -> None:
            await self._lists.remove_items(gone)
            await self._lists.restore_items(there)

        with work.times.stage("write"):
            await self._until(step, what=f"write {len(batch)} catalogue changes", stops=[stop])
        return await self._emitter.send(dead_letters(batch.span, work.decoded.rejected, self._rules))

    def measure(self, work: ItemsWork) -> None:
        """What was rejected, and how long it took."""
        span = work.decoded.batch.span
        count_unusable(self._measures, span, work.decoded)
        work.times.report(self._measures, span, len(work.fetched))

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn changes that are in Redis already."""
        engine.upsert_items(self.decode(fetched).decoded.batch)
