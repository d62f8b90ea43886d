"""Lists that belong to no user: `popular`, `trending`, `new`, and `similar:<item_id>` of items that people touch."""

from __future__ import annotations

from functools import partial

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.periodic.similar_sweep import SimilarSweep
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Neighbours
from stream_rec.feedback.served import Served
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import AsOf
from stream_rec.settings import StoreSettings
from stream_rec.store.keys import TopName
from stream_rec.store.lists import ListStore

_SWEPT = 4
"""One in so many of the lists that are written is of an item that has none, if there is one."""
_SLICE = 2
"""Neighbours asked of the engine at once: events do not wait longer than for so many."""


class TopLists:
    """`popular`, `trending` and `new`, written by the leading worker.

    Args:
        length: number of items in a list.
        engine: asked for the lists, and for the last event that they know.
        as_of: the last event learned from each partition.
        served: told, in every worker, what is served as popular; touched in the engine's thread only.
        store: where the lists go.
        table: whether this worker leads.
    """

    def __init__(
        self,
        length: int,
        engine: EngineThread[Engine],
        as_of: AsOfTable,
        served: Served,
        store: ListStore,
        table: PartitionTable,
    ) -> None:
        self._length = length
        self._engine = engine
        self._as_of = as_of
        self._served = served
        self._store = store
        self._table = table

    async def write(self) -> None:
        """Write them, if they are ours. Call about every `store.lists_seconds`.

        Raises:
            Unavailable: Redis does not answer.
        """
        as_of, tops, ruled = await self._engine.ask(self._ask)
        if as_of is not None and self._table.leads:
            await self._store.write_tops(tops, as_of=as_of, model=Engine.version, not_for=ruled)

    def _ask(self, engine: Engine) -> tuple[AsOf | None, dict[TopName, Neighbours], list[str]]:
        """The last event, the lists, and the scenarios that have rules."""
        as_of = self._as_of.newest()
        if as_of is None:
            return None, {}, []
        tops: dict[TopName, Neighbours] = {
            "popular": engine.popular(self._length),
            "trending": engine.trending(self._length),
            "new": engine.new(self._length),
        }
        self._served.set_popular(hash_ids(IdColumn.of(tops["popular"].items)))
        ruled = [name for name in engine.decisions.scenarios if engine.has_rules(name)]
        return as_of, tops, ruled


class SimilarLists:
    """`similar:<item_id>`, written by the owner of the item's partition of `items`.

    Of items that people touch, and of those that have none: a quarter of the rate is theirs, and what others leave.

    Args:
        settings: length of a list, and rate.
        engine: asked for neighbours, and for the last event that they know.
        as_of: the last event learned from each partition.
        touched: items whose neighbours have changed.
        sweep: finds items without a list.
        store: where the lists go.
    """

    def __init__(
        self,
        settings: StoreSettings,
        engine: EngineThread[Engine],
        as_of: AsOfTable,
        touched: TouchedItems,
        sweep: SimilarSweep,
        store: ListStore,
    ) -> None:
        self._length = settings.list_items
        self._items_per_turn = int(settings.similar_per_second * settings.lists_seconds)
        self._engine = engine
        self._as_of = as_of
        self._touched = touched
        self._sweep = sweep
        self._store = store

    async def write(self) -> None:
        """Write what is ours and has changed, or is missing. Call about every `store.lists_seconds`.

        Raises:
            Unavailable: Redis does not answer; what was not written is tried again at the next call.
        """
        as_of = await self._engine.ask(self._newest)
        if as_of is None:
            return
        n, items = self._items_per_turn, list[str]()
        try:
            items += await self._sweep.take(-(-n // _SWEPT))
            items += await self._engine.ask(partial(self._take, n - len(items)))
            items += await self._sweep.take(n - len(items))
            once = list(dict.fromkeys(items))
            for start in range(0, len(once), _SLICE):
                some = once[start : start + _SLICE]
                similar = await self._engine.ask(partial(self._similar, some))
                await self._store.write_similar(similar, as_of=as_of, model=Engine.version)
        except BaseException:
            self._engine.submit(partial(self._give_back, items))
            raise

    def _newest(self, _: Engine) -> AsOf | None:
        return self._as_of.newest()

    def _take(self, n: int, _: Engine) -> list[str]:
        return self._touched.take(n)

    def _give_back(self, items: list[str], _: Engine) -> None:
        self._touched.touch(items)

    def _similar(self, items: list[str], engine: Engine) -> dict[str, Neighbours]:
        return {item: engine.similar(item, self._length) for item in items}
