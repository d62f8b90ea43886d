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
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from stream_rec import logs
from stream_rec.settings import StoreSettings
from stream_rec.settings.masking import address
from stream_rec.store.connection import answering
from stream_rec.store.keys import Keys
from stream_rec.store.scripts import Call, Script, run

_MARKER = Script.named("marker")
_REWRITE = Script.named("rewrite")


class Upto(NamedTuple):
    """Slates of this partition's events up to and including `offset` are written."""

    partition: int
    offset: int


class Rewrite(NamedTuple):
    """A rewrite under way: the marker that stands for it, and the server it began on."""

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
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a marker moves: `complete` must not set an offset that a write in flight has passed."""


class Markers:
    """The markers of the partitions that this worker owns. For one event loop."""

    def __init__(self, redis: Redis, settings: StoreSettings) -> None:
        self._redis = redis
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._owned: dict[int, _Owned] = {}
        self._run_id = ""

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
        """The command that goes behind the slates; none if the partition is not owned (any more)."""
        owned = self._owned.get(upto.partition)
        if owned is None:
            return []
        key = self._keys.marker(upto.partition)
        return [Call(_MARKER, (key,), (owned.log, owned.offset, upto.offset))]

    def confirm(self, upto: Upto, *, held: bool) -> bool:
        """Take in the answer to `advance`. True: Redis has lost slates, and nobody is writing them again."""
        owned = self._owned.get(upto.partition)
        if owned is None:
            return False
        owned.offset = max(owned.offset, upto.offset)
        return not held and owned.rewrite is None

    async def detect(self) -> frozenset[int]:
        """Owned partitions whose slates Redis has lost, whole or in part, and that are not being rewritten.

        A rewrite under way whose marker is gone, or that began on another server, is reported again.

        Raises:
            Unavailable: Redis does not answer.
        """
        asked = [(partition, owned, owned.offset) for partition, owned in self._owned.items()]
        with answering(self._settings.url):
            run_id = await self._read_run_id()
            held = await self._read([partition for partition, _, _ in asked])
        self._note_run_id(run_id)
        return frozenset(
            partition
            for (partition, owned, offset), marker in zip(asked, held, strict=True)
            if self._owned.get(partition) is owned and _is_lost(owned, offset, marker, run_id)
        )

    async def begin(self, partition: int) -> Rewrite:
        """Mark the partition as being rewritten.

        Raises:
            KeyError: it is not owned.
            Unavailable: Redis does not answer.
        """
        owned = self._owned[partition]
        marker = msgspec.json.encode({"log": owned.log, "rewrite": uuid.uuid4().hex}).decode()
        with answering(self._settings.url):
            rewrite = Rewrite(partition, marker, await self._read_run_id())
            await self._redis.set(self._keys.marker(partition), marker)
        owned.rewrite = rewrite
        return rewrite

    async def complete(self, rewrite: Rewrite) -> bool:
        """All slates are written again: set the marker to what has been written by now.

        Returns:
            False: Redis may have lost slates since `begin`, or the partition is not ours any more. `detect`
            says whether to begin anew.

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
            with answering(self._settings.url):
                (is_set,) = await run(self._redis, [call], per_pipeline=1)
            owned.rewrite = None
        return bool(is_set)

    async def _read(self, partitions: Sequence[int]) -> list[_Marker | None]:
        markers: list[_Marker | None] = []
        step = self._settings.pipeline_keys
        for start in range(0, len(partitions), step):
            pipeline = self._redis.pipeline(transaction=False)
            for partition in partitions[start : start + step]:
                pipeline.get(self._keys.marker(partition))
            markers += [_decode(raw) for raw in await pipeline.execute()]
        return markers

    async def _read_run_id(self) -> str:
        """Changes with every start of the server; "" = our user may not ask."""
        try:
            return str((await self._redis.info("server"))["run_id"])
        except NoPermissionError:
            return ""

    def _note_run_id(self, run_id: str) -> None:
        if self._run_id and run_id != self._run_id:
            logs.get("recommend").warning(
                "redis was restarted or replaced", redis=address(self._settings.url), run_id=run_id
            )
        self._run_id = run_id


def _decode(raw: bytes | None) -> _Marker | None:
    """None: there is no marker, or none that we wrote."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=_Marker)
    except msgspec.DecodeError:
        return None


def _is_lost(owned: _Owned, offset: int, held: _Marker | None, run_id: str) -> bool:
    """`offset` is what was known before Redis was asked; the rewrite is judged by what is known after."""
    if held is None or held.log != owned.log:
        return True
    if held.offset is not None:
        return held.offset < offset
    rewrite = owned.rewrite
    ours = rewrite is not None and held == msgspec.json.decode(rewrite.marker, type=_Marker)
    return not ours or rewrite is None or rewrite.run_id != run_id
