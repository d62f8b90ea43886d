"""Snapshots in a worker's life: what it starts from, and what the leading worker writes.

The engine's thread is held for the fork only; a thread of its own waits for the child, and publishes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

from stream_rec import logs
from stream_rec.bus.skips import NOTE, merged, noted
from stream_rec.clock import Clock, SystemClock
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.replication.learn_order import LearnOrder
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.background import in_background
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import StreamRecError, Unavailable
from stream_rec.history.journal.journal import STATE_NOTE
from stream_rec.history.snapshots.facts import ask_facts
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.history.snapshots.writer import FORGOTTEN_NOTE, SnapshotWriter, Writing
from stream_rec.rerank.rerankers import Rerankers
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import EngineSettings, IngestSettings, MeasureSettings, Settings

WARN_SECONDS = 60.0
"""It is said so often that snapshots cannot be written."""
MakeEngine = Callable[[EngineSettings, MeasureSettings], Engine]
"""Makes the empty engine of a worker: `Engine`, or what takes its place in a bench."""


class Start(NamedTuple):
    """What a worker begins with: an engine, and the notes of the snapshot that it was filled from, if any.

    Its notes of what is skipped are the settings' and the snapshot's: what was left out once stays left out.
    """

    engine: Engine
    notes: Mapping[str, Any]

    def rules(self, rules: IngestSettings) -> IngestSettings:
        """The rules with all that is skipped."""
        return rules.model_copy(update={"skip": merged(rules.skip, noted(self.notes))})


async def restored_at_start(settings: Settings, make_engine: MakeEngine = Engine) -> Start:
    """An engine filled from the newest usable snapshot; an empty one if there is none.

    Raises:
        ConfigError: the engine cannot be kept in snapshots, their folder cannot be opened, or a start would lose what
            only an incompatible snapshot knows.
        Unavailable: the snapshots' file system or the broker does not answer.
    """

    def start() -> Start:
        skip = settings.ingest.skip
        engine = make_engine(settings.engine, settings.measure)
        engine.reranking.use(Rerankers(settings.rerank, SystemClock()))
        if not settings.snapshot.url:
            return Start(engine, {NOTE: skip} if skip else {})
        engine.snapshot()  # raises now what it would at the first snapshot
        log = logs.get("snapshot")
        restored = SnapshotStore(settings.snapshot).newest_usable(engine, ask_facts(settings.bus), skip)
        if restored is None:
            log.info("no snapshot to start from: learning the log from its beginning")
            return Start(engine, {NOTE: skip} if skip else {})
        log.info("started from a snapshot", snapshot=restored.info.name, events=restored.info.n_events)
        notes = {STATE_NOTE: restored.info.name, **restored.info.notes}
        return Start(engine, {**notes, NOTE: merged(skip, noted(notes))})

    return await in_background(start)


class SnapshotNotes:
    """What is kept in a snapshot beside the engine. Engine's thread.

    Args:
        as_of: the last event learned from each partition.
        order: the journal.
        skip: records that are left out.
    """

    def __init__(self, as_of: AsOfTable, order: LearnOrder, skip: tuple[str, ...]) -> None:
        self._as_of = as_of
        self._order = order
        self._skip = {NOTE: skip} if skip else {}

    def take(self) -> dict[str, Any]:
        """The notes as of now."""
        return {**self._as_of.notes(), **self._order.notes(), **self._skip}

    def keep(self, states: Collection[str]) -> None:
        """These states are in the snapshots that are there now; what goes before them is not needed any more."""
        self._order.keep(states)


class Snapshots:
    """Writes snapshots of a worker's engine, one at a time.

    Args:
        settings: the whole tree.
        engine: forked in its thread, between batches.
        notes: what is kept beside the engine.
        table: whether this worker leads: only then it writes.
        clock: when the next is due.
    """

    def __init__(
        self,
        settings: Settings,
        engine: EngineThread[Engine],
        notes: SnapshotNotes,
        table: PartitionTable,
        clock: Clock,
    ) -> None:
        self._bus = settings.bus
        self._settings = settings.snapshot
        self._engine = engine
        self._notes = notes
        self._table = table
        self._clock = clock
        self._writer: SnapshotWriter | None = None
        self._writing: Writing | None = None
        self._finished = asyncio.Event()
        self._finished.set()
        self._began = clock.monotonic()
        self._warned = -math.inf
        self._n_events = 0
        self._position: dict[TopicPartition, int] = {}
        self._log = logs.get("snapshot")
        engine.submit(self._note)

    async def look(self) -> None:
        """Begin a snapshot if one is due. To be called every second or so, once the worker serves.

        Raises:
            Unavailable: the broker or the snapshots' file system does not answer.
        """
        if not self._settings.url:
            return
        await self._prepare()
        waited = self._clock.monotonic() - self._began
        if self._writing is None and self._table.leads and waited >= self._settings.min_seconds:
            await self._begin(self._settings.every_events)

    async def last(self) -> None:
        """Wait for the snapshot that is under way, or write a last one of what is new. Cancelled = given up.

        Raises:
            Unavailable: the broker or the snapshots' file system does not answer.
        """
        if not self._settings.url or not self._settings.stop_seconds:
            return
        await self._prepare()
        if self._writing is None:
            await self._begin(0, durable=False)
        try:
            await self._finished.wait()
        except asyncio.CancelledError:
            if self._writing is not None:
                self._writing.give_up()
            raise

    async def _prepare(self) -> None:
        def make() -> SnapshotWriter:
            return SnapshotWriter(SnapshotStore(self._settings), ask_facts(self._bus), self._clock)

        if self._writer is not None:
            return
        try:
            self._writer = await in_background(make)
        except StreamRecError as error:
            # Asked every second; an operator wants to know, once a minute, and a worker that serves does not end by it.
            if self._clock.monotonic() - self._warned >= WARN_SECONDS:
                self._warned = self._clock.monotonic()
                self._log.warning("no snapshot can be written", why=str(error))
            raise Unavailable("snapshots", str(error)) from error

    async def _begin(self, every_events: int, *, durable: bool = True) -> None:
        try:
            self._writing = await self._engine.ask(partial(self._fork, every_events))
        except Unavailable as error:
            self._began = self._clock.monotonic()
            self._log.warning("no snapshot was written", why=error.detail)
        if self._writing is not None:
            self._finished.clear()
            self._finishing = asyncio.create_task(self._finish(self._writing, durable))

    def _fork(self, every_events: int, engine: Engine) -> Writing | None:
        """In the engine's thread."""
        forgotten_upto = engine.decisions.forgotten_upto
        is_due = engine.n_learned - self._n_events >= every_events and engine.position != self._position
        # The newest snapshot knows of somebody who is forgotten.
        is_due |= forgotten_upto >= self._position.get(TopicPartition("control", 0), 0)
        if not is_due or self._writer is None:
            return None
        began = self._clock.monotonic()
        notes = self._notes.take() | ({FORGOTTEN_NOTE: forgotten_upto} if forgotten_upto >= 0 else {})
        writing = self._writer.begin(engine, notes)
        self._note(engine)
        self._began = self._clock.monotonic()
        self._log.debug("writing a snapshot", held_ms=round((self._began - began) * 1000, 1))
        return writing

    def _kept(self) -> Collection[str]:
        """The states in the snapshots that are there now."""
        infos = SnapshotStore(self._settings).list()
        return [str(info.notes[STATE_NOTE]) for info in infos if STATE_NOTE in info.notes]

    def _keep(self, states: Collection[str], _: Engine) -> None:
        self._notes.keep(states)

    def _note(self, engine: Engine) -> None:
        """Count from here."""
        self._n_events, self._position = engine.n_learned, dict(engine.position)

    async def _finish(self, writing: Writing, durable: bool) -> None:
        try:
            info = await in_background(partial(writing.finish, durable=durable))
            if info is not None:
                seconds = round(self._clock.monotonic() - self._began, 1)
                self._log.info(
                    "snapshot written",
                    snapshot=info.name,
                    events=info.n_events,
                    mib=info.size >> 20,
                    seconds=seconds,
                )
            if durable:
                kept = await in_background(self._kept)
                self._engine.submit(partial(self._keep, kept or ()))
        except Exception as error:  # noqa: BLE001 - file systems raise what they like; learning goes on without
            self._log.warning("no snapshot was written", why=str(error))
        finally:
            self._writing = None
            self._finished.set()
