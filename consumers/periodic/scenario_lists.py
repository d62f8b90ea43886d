"""`list:<scenario>`: what a scenario with rules shows whoever has no slate of it."""

from __future__ import annotations

from functools import partial

from stream_rec import logs
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Neighbours
from stream_rec.schemas.records import AsOf
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.settings import StoreSettings
from stream_rec.store.lists import ListStore, ScenarioList

_PER_TURN = 8
"""Lists of one turn: 64 scenarios have theirs within 8 turns; those that have just changed come first."""


class ScenarioLists:
    """Written by the leading worker, some at every turn.

    Args:
        settings: length of a list.
        engine: asked for the lists.
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
        self._length = settings.list_items
        self._engine = engine
        self._as_of = as_of
        self._store = store
        self._table = table
        self._written: dict[str, int] = {}
        self._stopped: frozenset[str] = frozenset()
        """Scenarios of which it was said that their filter lets nothing through."""
        self._next = 0
        self._log = logs.get("rules")

    async def write(self) -> None:
        """Write the next ones, if they are ours. Call about every `store.lists_seconds`.

        Raises:
            Unavailable: Redis does not answer.
        """
        if not self._table.leads:
            self._written.clear()
            return
        ruled, known = await self._engine.ask(_ruled)
        await self._store.write_catalogue(known)
        gone = [name for name in self._written if name not in ruled]
        if gone:
            await self._store.drop_scenario_lists(gone)
        self._written = {name: at for name, at in self._written.items() if name in ruled}
        self._stopped &= ruled.keys()
        for name in self._due(ruled):
            as_of, found = await self._engine.ask(partial(self._ask, name))
            if as_of is not None:
                await self._store.write_scenario_list(name, found, as_of=as_of, model=Engine.version)
                self._written[name] = ruled[name]
                self._say(name, found.reach)

    def _say(self, name: str, reach: tuple[int, int]) -> None:
        """Once, when a filter begins to let nothing through, and when it ends: slates are empty meanwhile."""
        allowed, of = reach
        is_stopped = allowed == 0 and of > 0
        if is_stopped == (name in self._stopped):
            return
        self._stopped ^= {name}
        if is_stopped:
            what = "a filter lets no item through: the scenario's slates are empty"
            self._log.warning(what, scenario=name, items=of, fix="`stream-rec doctor` says what it asks for")
        else:
            self._log.info("a filter lets items through again", scenario=name, items=allowed)

    def _due(self, ruled: dict[str, int]) -> list[str]:
        changed = [name for name, at in ruled.items() if self._written.get(name) != at]
        others = sorted(name for name in ruled if name not in changed)
        start = self._next % max(1, len(others))
        self._next = start + _PER_TURN
        return [*changed, *[*others[start:], *others[:start]][: max(0, _PER_TURN - len(changed))]]

    def _ask(self, name: str, engine: Engine) -> tuple[AsOf | None, ScenarioList]:
        found = engine.recommend([""], scenario=name, k=self._length)
        return self._as_of.newest(), ScenarioList(
            Neighbours(found.items[0], found.scores[0]), engine.changed_at(name), engine.reach(name)
        )


def _ruled(engine: Engine) -> tuple[dict[str, int], KnownNames]:
    """The scenarios in force that `popular` is no fallback for, and when each changed; not what is being compiled.

    Beside them what rules may ask for.
    """
    names = engine.decisions.in_force(engine.event_time)
    ruled = {
        name: engine.changed_at(name)
        for name in names
        if engine.has_rules(name) and engine.rules_upto(name) is None
    }
    return ruled, engine.attributes.known_names()
