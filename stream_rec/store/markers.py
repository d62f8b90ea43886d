"""Has Redis lost slates? One marker key per owned partition proves that it has not.

A marker says: the slates of this partition's events up to `offset` were written to *this* Redis. It moves on
behind the slates, in the same pipeline, and only from where the owner knows it to be (`marker.lua`). A
Redis that comes back empty, from an older copy, or as a replica that lagged has no marker or one that is
behind. That marker does not move until the owner has written the partition's slates again, so a worker that
takes over in the middle sees the loss too.

    markers.own(partition, log, committed - 1)        # at assignment
    written = await slates.write(batch, Upto(partition, next - 1))
    for partition in await markers.detect():          # at assignment, when written.lost, every few seconds
        rewrite = await markers.begin(partition)
        ...slates.write(chunk) for its active users, pauses from RateLimiter...
        await markers.complete(rewrite)               # False: lost again meanwhile? detect() will say so
    markers.release(partition)                        # at revocation
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from stream_rec import logs
from stream_rec.errors import Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.settings.masking import address
from stream_rec.store.connection import Connection
from stream_rec.store.keys import Keys
from stream_rec.store.refusals import code_of
from stream_rec.store.scripts import Call, Script, run

_BEGIN = Script.named("begin")
_MARKER = Script.named("marker")
_REWRITE = Script.named("rewrite")

FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3600.0
CALM_SECONDS = 2 * LONGEST_PAUSE_SECONDS
"""After so long without a loss the next one is repaired at once."""


class Upto(NamedTuple):
    """Slates of this partition's events up to and including `offset` are written."""

    partition: int
    offset: int


class Rewrite(NamedTuple):
    """A rewrite under way: the marker that stands for it, and the server that holds it."""

    partition: int
    marker: str
    run_id: str


class _Marker(msgspec.Struct, frozen=True):
    """The JSON of the key. `offset` is missing while a rewrite is under way."""

    log: str
    offset: int | None = None
    rewrite: str | None = None


@dataclass(slots=True)
class _Owned:
    log: str
    offset: int
    rewrite: Rewrite | None = None
    is_suspect: bool = False
    """A server was restarted or replaced, and the marker cannot tell what it lost."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a marker moves: `complete` must not set an offset that a write in flight has passed."""


@dataclass(slots=True)
class _Pace:
    """When a partition may be rewritten again.

    A Redis that evicts any key, or that is flushed repeatedly, would cause endless rewrites.
    """

    n: int = 0
    ended: float = 0.0
    next_at: float = 0.0

    def end(self, now: float) -> None:
        """A rewrite has ended, well or not."""
        self.n = self.n + 1 if self.n and now - self.ended < CALM_SECONDS else 1
        self.ended = now
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** (self.n - 2), LONGEST_PAUSE_SECONDS) if self.n > 1 else 0.0
        self.next_at = now + pause


class Markers:
    """The markers of the partitions that this worker owns. For one event loop.

    Repeated losses of one partition, though no server was restarted, are reported with backoff:
    at once the first two times, then after 30 s, a minute, and so on up to an hour.
    """

    def __init__(self, connection: Connection, settings: StoreSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._owned: dict[int, _Owned] = {}
        self._paces: dict[int, _Pace] = {}
        self._run_ids: frozenset[str] = frozenset()
        self._said_why = False

    def own(self, partition: int, log: str, offset: int) -> None:
        """Watch a partition whose slates up to `offset` (-1 = none) should be in Redis."""
        self._owned[partition] = _Owned(log, offset)

    def release(self, partition: int) -> None:
        """Stop; nothing if it is not owned."""
        self._owned.pop(partition, None)

    def writing(self, partition: int) -> AbstractAsyncContextManager[None]:
        """Held from sending `advance` until `confirm`."""
        owned = self._owned.get(partition)
        return owned.writing if owned else nullcontext()

    def advance(self, upto: Upto) -> list[Call]:
        """The command that follows the slates; none if the partition is not owned (any more)."""
        owned = self._owned.get(upto.partition)
        if owned is None:
            return []
        key = self._keys.marker(upto.partition)
        return [Call(_MARKER, (key,), (owned.log, owned.offset, upto.offset))]

    def confirm(self, upto: Upto, *, held: bool) -> bool:
        """Handle the reply to `advance`. True: Redis has lost slates, and no rewrite is under way."""
        owned = self._owned.get(upto.partition)
        if owned is None:
            return False
        owned.offset = max(owned.offset, upto.offset)
        return not held and owned.rewrite is None

    async def detect(self) -> frozenset[int]:
        """Owned partitions whose slates Redis has lost, whole or in part, and that are not being rewritten.

        A rewrite under way whose marker is gone, or that began on another server, is reported again. In a cluster a
        marker speaks for one node only, so every partition is reported when any node was restarted or replaced.

        Raises:
            Unavailable: Redis does not answer.
        """
        asked = [(partition, owned, owned.offset) for partition, owned in self._owned.items()]
        held = await self._read([partition for partition, _, _ in asked])
        self._note_run_ids(await self._connection.run_ids())
        now = self._connection.clock.monotonic()
        return frozenset(
            partition
            for (partition, owned, offset), marker in zip(asked, held, strict=True)
            if self._owned.get(partition) is owned
            and (
                owned.is_suspect or (_is_lost(owned, offset, marker) and now >= self._pace(partition).next_at)
            )
        )

    async def begin(self, partition: int) -> Rewrite:
        """Mark the partition as being rewritten.

        Raises:
            KeyError: it is not owned.
            Unavailable: Redis does not answer.
        """
        owned = self._owned[partition]
        marker = msgspec.json.encode({"log": owned.log, "rewrite": uuid.uuid4().hex}).decode()
        call = Call(_BEGIN, (self._keys.marker(partition),), (marker,))
        (run_id,) = await run(self._connection, [call], writes="marker")
        rewrite = Rewrite(partition, marker, run_id.decode())
        owned.rewrite, owned.is_suspect = rewrite, False
        return rewrite

    async def complete(self, rewrite: Rewrite) -> bool:
        """All slates are rewritten: set the marker to what has been written by now.

        Returns:
            False: Redis may have lost slates since `begin`, or the partition is no longer owned. `detect`
            says whether to begin again.

        Raises:
            Unavailable: Redis does not answer; may be called again.
        """
        owned = self._owned.get(rewrite.partition)
        if owned is None or owned.rewrite != rewrite:
            return False
        async with owned.writing:
            marker = msgspec.json.encode({"log": owned.log, "offset": owned.offset})
            call = Call(
                _REWRITE, (self._keys.marker(rewrite.partition),), (rewrite.marker, rewrite.run_id, marker)
            )
            (is_set,) = await run(self._connection, [call], writes="marker")
            owned.rewrite = None
        pace = self._pace(rewrite.partition)
        pace.end(self._connection.clock.monotonic())
        if pace.n > 1:
            await self._say_why()
        return bool(is_set) and not owned.is_suspect

    async def _read(self, partitions: Sequence[int]) -> list[_Marker | None]:
        markers: list[_Marker | None] = []
        step = self._connection.portion.keys
        for start in range(0, len(partitions), step):
            some = [("GET", self._keys.marker(partition)) for partition in partitions[start : start + step]]
            markers += [_decode(answer) for answer in await self._connection.pipeline(some)]
        return markers

    def _note_run_ids(self, run_ids: frozenset[str]) -> None:
        """Servers that we knew are gone: whatever was lost now was not evicted."""
        gone = self._run_ids - run_ids if run_ids else frozenset()
        self._run_ids = run_ids or self._run_ids
        if not gone:
            return
        logs.get("recommend").warning(
            "redis was restarted or replaced",
            redis=address(self._settings.url),
            run_id=", ".join(sorted(run_ids)),
        )
        self._paces.clear()
        for owned in self._owned.values():
            owned.is_suspect = self._connection.is_cluster or owned.rewrite is not None

    def _pace(self, partition: int) -> _Pace:
        return self._paces.setdefault(partition, _Pace())

    async def _say_why(self) -> None:
        """Once: the likely cause of repeated losses."""
        if self._said_why:
            return
        try:
            infos = await self._connection.infos("memory")
        except Unavailable:
            return  # next time
        self._said_why = True
        policies = {str(info.get("maxmemory_policy")) for info in infos}
        evicts = [policy for policy in policies if policy.startswith("allkeys")]
        why = f"it evicts any key (maxmemory-policy {evicts[0]})" if evicts else "is it flushed?"
        logs.get("recommend").warning(
            "redis loses slates repeatedly: they are rewritten with backoff",
            why=why,
            redis=address(self._settings.url),
            fix="set maxmemory-policy to volatile-ttl or noeviction, with memory for all slates (docs/redis.md)",
        )


def _decode(answer: Any) -> _Marker | None:
    """None: there is no marker, or not one of ours."""
    if answer is None:
        return None
    if isinstance(answer, Exception):
        if code_of(answer) != "WRONGTYPE":
            raise answer
        return None
    try:
        return msgspec.json.decode(answer, type=_Marker)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _is_lost(owned: _Owned, offset: int, held: _Marker | None) -> bool:
    """`offset` is what was known before Redis was asked; the rewrite is judged by what is known after."""
    if held is None or held.log != owned.log:
        return True
    if held.offset is not None:
        return held.offset < offset
    rewrite = owned.rewrite
    return rewrite is None or held != msgspec.json.decode(rewrite.marker, type=_Marker)
