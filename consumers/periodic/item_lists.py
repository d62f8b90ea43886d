"""Lists that belong to no user: `popular`, `trending`, `new`, and `similar:<item_id>` of items that people touch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from stream_rec.consumers.handlers.events import EventsHandler
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Neighbours
from stream_rec.feedback.measures import Measures
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import AsOf
from stream_rec.settings import StoreSettings
from stream_rec.store.keys import TopName
from stream_rec.store.lists import ListStore

_SLICE = 2
"""Neighbours asked of the engine at once: events do not wait longer than for so many."""


class Lists:
    """Writes lists from time to time.

    Whoever owns partition 0 of `events` writes those of the whole catalogue; `similar` is written by the owner of the
    item's partition of `items`.

    Args:
        settings: lengths and rates.
        engine: what is asked.
        events: knows what was touched, and up to where the engine knows.
        store: where the lists go.
        measures: told what is served as popular; touched in the engine's thread only.
        owns: is this topic-partition ours.
        n_item_partitions: of the topic `items`; changed when it grows.
    """

    def __init__(
        self,
        settings: StoreSettings,
        engine: EngineThread[Engine],
        events: EventsHandler,
        store: ListStore,
        measures: Measures,
        owns: Callable[[str, int], bool],
        n_item_partitions: int,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._events = events
        self._store = store
        self._measures = measures
        self._owns = owns
        self.n_item_partitions = n_item_partitions

    async def write(self) -> None:
        """Write what is ours and has changed. Call about every `store.lists_seconds`.

        Raises:
            Unavailable: Redis does not answer; what was not written is tried again at the next call.
        """
        as_of = await self._engine.ask(lambda _: self._as_of())
        if as_of is None:
            return
        tops = await self._engine.ask(self._tops)
        if self._owns("events", 0):
            await self._store.write_tops(tops, as_of=as_of, model=Engine.version)
        items = await self._engine.ask(lambda _: self._take())
        try:
            for start in range(0, len(items), _SLICE):
                some = items[start : start + _SLICE]
                similar = await self._engine.ask(partial(self._similar, some))
                await self._store.write_similar(similar, as_of=as_of, model=Engine.version)
        except BaseException:
            self._engine.submit(lambda _: self._events.touch(items))
            raise

    def _as_of(self) -> AsOf | None:
        """The latest that any list knows of, in the broker's time; None = nothing has been learned."""
        return max(self._events.latest.values(), key=lambda as_of: as_of.broker_ts, default=None)

    def _tops(self, engine: Engine) -> dict[TopName, Neighbours]:
        k = self._settings.list_items
        tops: dict[TopName, Neighbours] = {
            "popular": engine.popular(k),
            "trending": engine.trending(k),
            "new": engine.new(k),
        }
        self._measures.served.set_popular(hash_ids(IdColumn.of(tops["popular"].items)))
        return tops

    def _similar(self, items: list[str], engine: Engine) -> dict[str, Neighbours]:
        found = {item: engine.similar(item, self._settings.list_items) for item in items}
        return {item: neighbours for item, neighbours in found.items() if neighbours.items}

    def _take(self) -> list[str]:
        """The items waiting longest that are ours, as many as the rate allows; others are forgotten on the way."""
        n = int(self._settings.similar_per_second * self._settings.lists_seconds)
        waiting = list(self._events.touched)
        places = partition_of(IdColumn.of(waiting), self.n_item_partitions)
        ours = np.array([self._owns("items", place) for place in range(self.n_item_partitions)])
        taken: list[str] = []
        for item, is_ours in zip(waiting, ours[places].tolist(), strict=True):
            if len(taken) == n:
                break
            del self._events.touched[item]
            if is_ours:
                taken.append(item)
        return taken
