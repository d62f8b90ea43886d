"""Redis' sets `removed:<scenario>` follow items that a scenario's filter stops, or begins, to let through.

The filter itself has not changed (then slates are renewed), but what the catalogue says of the item, or its age.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice

from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import FilterMove
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import TopicName
from stream_rec.store.lists import ListStore

_TOPIC: TopicName = "items"
MAX_HELD = 10_000
"""Items that are looked after when Redis loses them, the latest."""
_LOOKS_BETWEEN = 10
"""Between two looks whether Redis has lost any, or holds what is let through again."""
_SLICE = 250
"""Rows of items looked at for what is let through."""
_REPAIRED = 2000
"""Held items looked for in Redis at once."""


class FilterMoves:
    """Writes what has moved, for the partitions of `items` that are ours.

    What a worker that ended has not written, or rules that changed while none ran, is found by going through all items,
    a slice now and then, for those that are let through and stand in a set. What it had written is read back at the
    start; of a set that is not there nobody knows what it held, and all that the filter stops is written.

    Args:
        engine: knows what has moved.
        store: holds the sets.
        table: whose items are ours.
    """

    def __init__(self, engine: EngineThread[Engine], store: ListStore, table: PartitionTable) -> None:
        self._engine = engine
        self._store = store
        self._table = table
        self._waiting: dict[tuple[str, str], bool] = {}
        self._held: dict[tuple[str, str], None] = {}
        """Whosever they are: partitions change hands."""
        self._has_read = False
        self._looks = 0
        self._next_row = 0
        self._next_held = 0

    async def look(self) -> int:
        """Write moves; how many. Call several times a second.

        Raises:
            Unavailable: Redis does not answer; what was not written is tried again at the next call.
        """
        if not self._has_read:
            await self._read()
        found = await self._engine.ask(_take)
        self._note(found)
        for move in self._ours(found):
            self._waiting[move.scenario, move.item_id] = move.may_be_shown
        moves = dict(self._waiting)
        for scenario, ids in _by_scenario(each for each, shown in moves.items() if not shown):
            await self._store.stop(scenario, ids)
        for scenario, ids in _by_scenario(each for each, shown in moves.items() if shown):
            await self._store.let_through(scenario, ids)
        for each in moves:
            self._waiting.pop(each, None)
        self._looks += 1
        if self._looks % _LOOKS_BETWEEN:
            return len(moves)
        return len(moves) + await self._repair() + await self._look_further()

    def _note(self, moves: Sequence[FilterMove]) -> None:
        for move in moves:
            self._held.pop((move.scenario, move.item_id), None)
            if not move.may_be_shown:
                self._held[move.scenario, move.item_id] = None
        for oldest in list(islice(self._held, max(0, len(self._held) - MAX_HELD))):
            del self._held[oldest]

    async def _read(self) -> None:
        """Hold what the sets hold; of a set that is lost, what the filter stops. Not before rules are compiled."""
        stopped = await self._engine.ask(_stopped)
        if stopped is None:
            return
        for scenario, of_filter in stopped.items():
            held = await self._store.stopped(scenario, MAX_HELD // len(stopped))
            self._note([FilterMove(scenario, item, False) for item in held or of_filter])
        self._has_read = True

    async def _repair(self) -> int:
        """Write again what Redis has lost: a part of what is held, round and round."""
        if self._next_held >= len(self._held):
            self._next_held = 0
        some = list(islice(self._held, self._next_held, self._next_held + _REPAIRED))
        self._next_held += _REPAIRED
        n = 0
        for scenario, ids in _by_scenario(some):
            still = await self._engine.ask(partial(_still_stopped, scenario, ids))
            for item in set(ids).difference(still):
                self._held.pop((scenario, item), None)
            ours = [
                move.item_id for move in self._ours([FilterMove(scenario, item, False) for item in still])
            ]
            missing = await self._store.not_removed(ours, scenario) if ours else []
            if missing:
                await self._store.stop(scenario, missing)
                n += len(missing)
        return n

    async def _look_further(self) -> int:
        """Take out what is let through again."""
        n = 0
        for scenario, ids in (await self._engine.ask(self._through)).items():
            ours = self._ours([FilterMove(scenario, item, True) for item in ids])
            items = [move.item_id for move in ours]
            missing = set(await self._store.not_removed(items, scenario)) if items else set()
            held = [item for item in items if item not in missing and (scenario, item) not in self._held]
            if held:
                await self._store.let_through(scenario, held)
                n += len(held)
        return n

    def _through(self, engine: Engine) -> dict[str, list[str]]:
        found = engine.let_through(self._next_row, _SLICE)
        self._next_row = self._next_row + _SLICE if found else 0
        return found

    def _ours(self, moves: Sequence[FilterMove]) -> list[FilterMove]:
        if not moves:
            return []
        homes = partition_of(IdColumn.of([move.item_id for move in moves]), self._table.count(_TOPIC))
        return [
            move for move, home in zip(moves, homes.tolist(), strict=True) if self._table.owns(_TOPIC, home)
        ]


def _take(engine: Engine) -> list[FilterMove]:
    return engine.take_filter_moves()


def _stopped(engine: Engine) -> dict[str, list[str]] | None:
    """What each filter stops, as far as there is room for it; None = rules are being compiled."""
    if engine.is_compiling_rules:
        return None
    return engine.stopped(MAX_HELD // max(1, len(engine.decisions.scenarios)))


def _still_stopped(scenario: str, ids: Sequence[str], engine: Engine) -> list[str]:
    return engine.still_stopped(scenario, ids)


def _by_scenario(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for scenario, item in pairs:
        found.setdefault(scenario, []).append(item)
    return list(found.items())
