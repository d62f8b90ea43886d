"""`popular:<tag>`, `trending:<tag>` and `new:<tag>` of the tags that are used most."""

from __future__ import annotations

from functools import partial

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.answering.queries import ListName
from stream_rec.engine.catalogue.categories import Category
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Neighbours
from stream_rec.schemas.records import AsOf
from stream_rec.settings import StoreSettings
from stream_rec.store.lists import ListStore

_TAGS_PER_TURN = 5
"""Events do not wait longer than for one of them."""
_TURNS = 30
"""Between two choices of tags, at least."""


class CategoryLists:
    """Written by the leading worker, some at every turn.

    Args:
        settings: length of a list, and number of tags.
        engine: asked for tags and lists.
        as_of: the last event learned from each partition.
        store: where the lists go.
        table: whether this worker leads.
    """

    def __init__(
        self,
        settings: StoreSettings,
        engine: EngineThread[Engine],
        as_of: AsOfTable,
        store: ListStore,
        table: PartitionTable,
    ) -> None:
        self._n_tags, self._length = settings.category_tags, settings.list_items
        self._engine = engine
        self._as_of = as_of
        self._store = store
        self._table = table
        self._chosen: list[Category] = []
        self._next, self._turn = 0, 0

    async def write(self) -> None:
        """Write the next ones, if they are ours. Call about every `store.lists_seconds`.

        Raises:
            Unavailable: Redis does not answer.
        """
        if not self._n_tags or not self._table.leads:
            return
        if self._turn % max(_TURNS, -(-self._n_tags // _TAGS_PER_TURN)) == 0:
            await self._choose()
        self._turn += 1
        for category in self._chosen[self._next : self._next + _TAGS_PER_TURN]:
            as_of, lists = await self._engine.ask(partial(self._ask, category))
            if as_of is not None:
                await self._store.write_tops(lists, as_of=as_of, model=Engine.version, tag=category.tag)
        self._next += _TAGS_PER_TURN
        if self._next >= len(self._chosen):
            self._next = 0

    async def _choose(self) -> None:
        chosen = await self._engine.ask(lambda engine: engine.categories(self._n_tags))
        tags = {category.tag for category in chosen}
        await self._store.drop_tops([each.tag for each in self._chosen if each.tag not in tags])
        self._chosen = chosen

    def _ask(self, category: Category, engine: Engine) -> tuple[AsOf | None, dict[ListName, Neighbours]]:
        return self._as_of.newest(), engine.of_category(category, self._length)
