"""Keys that belong to no user: `popular`, `trending`, `new` (also of a tag), `similar:*`, `list:*`; sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from stream_rec.clock import Clock
from stream_rec.schemas.records import AsOf
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import Command, Connection
from stream_rec.store.encoding import encode_list
from stream_rec.store.keys import Keys, TopName
from stream_rec.store.overwrite import write_over
from stream_rec.store.refusals import code_of
from stream_rec.store.scripts import run
from stream_rec.store.slates import unless_older

_REMOVED_MARGIN_SECONDS = 86_400
"""A worker behind on `items` may write an item into slates for a while after its removal."""


class RankedItems(Protocol):
    """Item ids, best first, and their scores; the engine's Neighbours is one."""

    @property
    def items(self) -> Sequence[str]:
        """Item ids."""
        ...

    @property
    def scores(self) -> Sequence[float]:
        """Finite, aligned with `items`."""
        ...


class ScenarioList(NamedTuple):
    """What a scenario shows whoever has no slate of it.

    Attributes:
        ranked: best first.
        changed: offset on `control` of the scenario's last record; -1 = none.
        reach: how many items its filter lets through, and of how many; -1 = it has none.
    """

    ranked: RankedItems
    changed: int
    reach: tuple[int, int] = (-1, -1)


class ListStore:
    """Writes lists. Longer ones are cut at `store.list_items`; an older list never replaces a newer one."""

    def __init__(self, connection: Connection, settings: StoreSettings, clock: Clock) -> None:
        self._connection = connection
        self._settings = settings
        self._clock = clock
        self._keys = Keys(settings.prefix)

    async def write_tops(
        self,
        lists: Mapping[TopName, RankedItems],
        *,
        as_of: AsOf,
        model: str,
        tag: str = "",
        not_for: Sequence[str] = (),
    ) -> int:
        """Write `popular`, `trending`, `new`, or those of a tag; how many were written.

        Args:
            lists: by name.
            as_of: the last event that they know.
            model: version of the model.
            tag: whose; empty = all items'.
            not_for: scenarios that `popular` is no fallback for.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        return await self._write(
            [(self._keys.top(name, tag), row) for name, row in lists.items()], as_of, model, not_for=not_for
        )

    async def write_scenario_list(self, name: str, found: ScenarioList, *, as_of: AsOf, model: str) -> int:
        """Write `list:<scenario>`; 1 if it was written.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        entry = self._keys.scenario_list(name), found.ranked
        return await self._write([entry], as_of, model, changed=found.changed, reach=found.reach)

    async def drop_scenario_lists(self, names: Sequence[str]) -> None:
        """Delete the lists of scenarios that have no rules any more.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        commands: list[Command] = [("UNLINK", self._keys.scenario_list(name)) for name in names]
        await self._connection.pipeline(commands, writes="lists")

    async def stop(self, scenario: str, item_ids: Sequence[str]) -> None:
        """Add ids to `removed:<scenario>`: its filter lets them through no longer. The oldest make room.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        keep_seconds = self._settings.slate_ttl_seconds + _REMOVED_MARGIN_SECONDS
        now, key = self._clock.now(), self._keys.removed_of(scenario)
        for ids in self._chunks(item_ids):
            commands: list[Command] = [
                ("ZADD", key, "GT", *(word for item in ids for word in (now, item))),
                ("ZREMRANGEBYSCORE", key, "-inf", now - keep_seconds),
                ("ZREMRANGEBYRANK", key, 0, -self._settings.max_removed - 1),
                ("EXPIRE", key, keep_seconds),
            ]
            await write_over(self._connection, key, commands, writes="removed")

    async def let_through(self, scenario: str, item_ids: Sequence[str]) -> None:
        """Take ids out of `removed:<scenario>`.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        key = self._keys.removed_of(scenario)
        for ids in self._chunks(item_ids):
            await write_over(self._connection, key, [("ZREM", key, *ids)], writes="removed")

    async def stopped(self, scenario: str, n: int) -> list[str]:
        """Ids in `removed:<scenario>`, the latest last, n at most; none if it is of another type.

        Raises:
            Unavailable: Redis does not answer.
        """
        (found,) = await self._connection.pipeline([("ZRANGE", self._keys.removed_of(scenario), -n, -1)])
        if isinstance(found, Exception):
            if code_of(found) != "WRONGTYPE":
                raise found
            found = []
        return [item.decode(errors="replace") for item in found]

    async def drop_tops(self, tags: Sequence[str]) -> None:
        """Delete the lists of tags that are listed no more.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        names: tuple[TopName, ...] = ("popular", "trending", "new")
        for some in self._chunks(tags):
            commands: list[Command] = [
                ("UNLINK", self._keys.top(name, tag)) for tag in some for name in names
            ]
            await self._connection.pipeline(commands, writes="lists")

    async def write_similar(self, lists: Mapping[str, RankedItems], *, as_of: AsOf, model: str) -> int:
        """Write `similar:<item_id>` of items and their neighbours; how many were written.

        An item without neighbours has no list: one that is there is deleted.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        gone: list[Command] = [
            ("UNLINK", self._keys.similar(item)) for item in lists if not lists[item].items
        ]
        if gone:
            await self._connection.pipeline(gone, writes="lists")
        full = [(self._keys.similar(item), row) for item, row in lists.items() if row.items]
        return await self._write(full, as_of, model)

    async def without_similar(self, item_ids: Sequence[str]) -> list[str]:
        """Those of these items that have no `similar:<item_id>`, or one of another type.

        Raises:
            Unavailable: Redis does not answer.
        """
        missing: list[str] = []
        for ids in self._chunks(item_ids):
            # A byte of it: that asks for no right that a worker does not have already (docs/redis.md).
            asked: list[Command] = [("GETRANGE", self._keys.similar(item), 0, 0) for item in ids]
            for item, found in zip(ids, await self._connection.pipeline(asked), strict=True):
                if isinstance(found, Exception) and code_of(found) != "WRONGTYPE":
                    raise found
                if isinstance(found, Exception) or not found:
                    missing.append(item)
        return missing

    async def write_scenarios(self, names: Sequence[str], off: Sequence[str] = ()) -> None:
        """Say which scenarios slates are written for, so that readers tell an unknown one from an unknown user.

        A name stays for as long as its slates may, if it was not turned off.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        keep_seconds = self._settings.slate_ttl_seconds
        now, scenarios = self._clock.now(), self._keys.scenarios
        commands: list[Command] = [
            ("ZREMRANGEBYSCORE", scenarios, "-inf", now - keep_seconds),
            ("EXPIRE", scenarios, keep_seconds),
        ]
        if off:
            commands.insert(0, ("ZREM", scenarios, *off))
        if names:
            commands.insert(0, ("ZADD", scenarios, "GT", *(word for name in names for word in (now, name))))
        await write_over(self._connection, scenarios, commands, writes="lists")

    async def write_catalogue(self, known: KnownNames) -> None:
        """Say what is known of items, so that whoever writes rules hears of a name that none has.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        value, keep_seconds = msgspec.json.encode(known), self._settings.slate_ttl_seconds
        commands: list[Command] = [("SET", self._keys.catalogue, value, "EX", keep_seconds)]
        await self._connection.pipeline(commands, writes="lists")

    async def remove_items(self, item_ids: Sequence[str]) -> int:
        """Add ids to `removed` and delete their `similar` lists.

        Ids stay for the time to live of slates and a day. At most `store.max_removed` stay, the latest.

        Returns:
            Ids that were evicted early because the set is full; stored slates may show them again.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        keep_seconds = self._settings.slate_ttl_seconds + _REMOVED_MARGIN_SECONDS
        now, removed = self._clock.now(), self._keys.removed
        n_dropped = 0
        for ids in self._chunks(item_ids):
            commands: list[Command] = [("UNLINK", self._keys.similar(item)) for item in ids]
            commands.append(("ZADD", removed, "GT", *(word for item in ids for word in (now, item))))
            commands.append(("ZREMRANGEBYSCORE", removed, "-inf", now - keep_seconds))
            commands.append(("ZREMRANGEBYRANK", removed, 0, -self._settings.max_removed - 1))
            commands.append(("EXPIRE", removed, keep_seconds))
            n_dropped += (await write_over(self._connection, removed, commands, writes="removed"))[-2]
        return n_dropped

    async def restore_items(self, item_ids: Sequence[str]) -> None:
        """Take ids out of `removed`: they are back in the catalogue.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        for ids in self._chunks(item_ids):
            commands = [("ZREM", self._keys.removed, *ids)]
            await write_over(self._connection, self._keys.removed, commands, writes="removed")

    async def not_removed(self, item_ids: Sequence[str], scenario: str = "") -> list[str]:
        """Those of these ids that `removed`, or that of a scenario, does not hold; all if it is of another type.

        Raises:
            Unavailable: Redis does not answer.
        """
        missing: list[str] = []
        for ids in self._chunks(item_ids):
            (scores,) = await self._connection.pipeline([("ZMSCORE", self._keys.removed_of(scenario), *ids)])
            if isinstance(scores, Exception):
                if code_of(scores) != "WRONGTYPE":
                    raise scores
                scores = [None] * len(ids)
            missing += [item for item, score in zip(ids, scores, strict=True) if score is None]
        return missing

    async def _write(
        self,
        lists: Sequence[tuple[str, RankedItems]],
        as_of: AsOf,
        model: str,
        *,
        changed: int = -1,
        not_for: Sequence[str] = (),
        reach: tuple[int, int] = (-1, -1),
    ) -> int:
        cut = self._settings.list_items
        encode = partial(
            encode_list,
            as_of=as_of,
            model=model,
            created_ts=self._clock.now(),
            changed=changed,
            not_for=not_for,
            reach=reach,
        )
        entries = [(key, encode(row.items[:cut], row.scores[:cut])) for key, row in lists]
        return sum(await run(self._connection, unless_older(entries, self._settings), writes="lists"))

    def _chunks(self, item_ids: Sequence[str]) -> Iterable[Sequence[str]]:
        step = self._connection.portion.keys
        return (item_ids[start : start + step] for start in range(0, len(item_ids), step))
