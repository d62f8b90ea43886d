"""Users whom the engine has forgotten are removed from Redis, too, and it is said what was done.

Every worker that knows the user's id deletes the slates, whoever owns the partition: its owner may be one that is
stopped, and that lets slates go when it goes on and owns it no more; or one that was killed. The id is known from the
engine, or from events that are passed over since their user is forgotten. A worker may have slates of the user on their
way to Redis that it made before, so it deletes until it has found nothing for some looks in a row.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import numpy as np

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.handlers.control import ForgottenUsers
from stream_rec.consumers.periodic.slate_repair import ActiveSlates
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.people import Forgotten
from stream_rec.engine.names import rows_of
from stream_rec.kernels.ids import hash_id
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.decisions import hash_name
from stream_rec.schemas.records import TopicName
from stream_rec.store.forgotten import ReceiptStore, WorkerReceipt
from stream_rec.store.keys import NEVER
from stream_rec.store.slates import SlateStore

_TOPIC: TopicName = "events"
QUIET_LOOKS = 4
"""So often nothing must be found before it is believed that nothing comes any more."""
MOST_LOOKS = 60


@dataclass(slots=True)
class _Waiting:
    forgotten: Forgotten
    n_deleted: int = 0
    n_quiet: int = 0
    n_looks: int = 0
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class ForgettingStores:
    """Where traces of users are.

    Attributes:
        slates: their slates.
        receipts: what was done about them.
    """

    slates: SlateStore
    receipts: ReceiptStore


class Forgetting:
    """Removes users from Redis, and writes receipts.

    Args:
        forgotten: who.
        engine: asked who is known again, and which scenarios there were.
        active: makes the slates of users whom visitors became.
        stores: where traces are.
        table: whose slates are ours, and whether this worker leads.
        clock: stamps receipts.
    """

    def __init__(
        self,
        forgotten: ForgottenUsers,
        engine: EngineThread[Engine],
        active: ActiveSlates,
        stores: ForgettingStores,
        table: PartitionTable,
        clock: Clock,
    ) -> None:
        self._forgotten = forgotten
        self._engine = engine
        self._active = active
        self._stores = stores
        self._table = table
        self._clock = clock
        self._waiting: dict[int, _Waiting] = {}
        self._log = logs.get("learn")

    async def look(self) -> int:
        """Go on with everybody who waits; how many are done with. Call every half second or so.

        Raises:
            Unavailable: Redis does not answer; look again later.
        """
        for forgotten in self._forgotten.take():
            self._waiting[forgotten.user_hash] = _Waiting(forgotten)
        for name in self._forgotten.take_met():
            self._meet(name, hash_id(name))
        done = [user for user, waiting in list(self._waiting.items()) if await self._is_done(waiting)]
        for user in done:
            del self._waiting[user]
        return len(done)

    @property
    def owes(self) -> bool:
        """Is there anybody who was not looked for yet?"""
        return len(self._forgotten) > 0 or any(not waiting.n_looks for waiting in self._waiting.values())

    def _meet(self, user: str, user_hash: int) -> None:
        """Events name somebody who was forgotten: the decision alone does not."""
        waiting = self._waiting.get(user_hash)
        if waiting is None:
            nothing_known = Forgotten(offset=-1, user_hash=user_hash, user_id=user, n_events=0, n_shown=0)
            self._waiting[user_hash] = _Waiting(nothing_known, is_told=True)
        elif not waiting.forgotten.user_id:
            waiting.forgotten = waiting.forgotten._replace(user_id=user)
            waiting.n_quiet = 0

    async def _is_done(self, waiting: _Waiting) -> bool:
        """One step for one user."""
        n = await self._delete(waiting.forgotten)
        waiting.n_deleted += n
        waiting.n_looks += 1
        waiting.n_quiet = 0 if n else waiting.n_quiet + 1
        if waiting.forgotten.offset >= 0 and (n or not waiting.is_told):
            await self._renew(waiting.forgotten)
            await self._tell(waiting)
        return waiting.n_quiet >= QUIET_LOOKS or waiting.n_looks >= MOST_LOOKS

    async def _delete(self, forgotten: Forgotten) -> int:
        user = forgotten.user_id
        if not user:
            return 0
        is_back, scenarios = await self._engine.ask(partial(_is_back, user))
        return 0 if is_back else await self._stores.slates.delete([(name, user) for name in scenarios])

    async def _renew(self, forgotten: Forgotten) -> None:
        """Who a visitor became has slates that know the visitor's history."""
        if forgotten.became and self._owns(forgotten.became):
            rows = await self._engine.ask(partial(_rows, forgotten.became))
            slates = await self._active.make(rows, [self._home(forgotten.became)]) if len(rows) else []
            if slates:
                await self._stores.slates.write(slates)

    async def _tell(self, waiting: _Waiting) -> None:
        known = waiting.forgotten
        receipt = WorkerReceipt(
            known.offset,
            self._clock.now(),
            bool(known.user_id),
            known.n_events,
            known.n_shown,
            waiting.n_deleted,
            self._table.leads,
        )
        await self._stores.receipts.write(hash_name(known.user_hash), receipt)
        if not waiting.is_told:
            what = "a visitor became a user" if known.became else "a user was forgotten"
            self._log.info(what, user_hash=hash_name(known.user_hash), offset=known.offset)
        waiting.is_told = True

    def _home(self, user: str) -> int:
        return int(partition_of(IdColumn.of([user]), self._table.count(_TOPIC))[0])

    def _owns(self, user: str) -> bool:
        return self._table.owns(_TOPIC, self._home(user))


def _is_back(user: str, engine: Engine) -> tuple[bool, Collection[str]]:
    """Does the engine know the user again; all scenarios that slates may be of."""
    decisions = engine.decisions
    names = {*engine.settings.scenarios, *decisions.scenarios, *decisions.changed, NEVER}
    return len(_rows(user, engine)) > 0, sorted(names)


def _rows(user: str, engine: Engine) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    rows = rows_of(engine.state.users, IdColumn.of([user]))
    return rows[rows >= 0]
