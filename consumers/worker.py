"""The worker: everything it is made of, put together in one place, and its life from start to exit code."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from faust.types import TP

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.bus.topics import ensure_topics, log_id
from stream_rec.bus.transport import BatchConsumer
from stream_rec.clock import Clock, SystemClock
from stream_rec.consumers.handlers.base import Handlers
from stream_rec.consumers.handlers.events import EventsHandler
from stream_rec.consumers.handlers.impressions import ImpressionsHandler
from stream_rec.consumers.handlers.items import ItemsHandler
from stream_rec.consumers.output.emitter import Emitter
from stream_rec.consumers.periodic.health import Distance, Health
from stream_rec.consumers.periodic.item_lists import Lists
from stream_rec.consumers.periodic.metric_reports import Reach, Reports
from stream_rec.consumers.periodic.scheduler import Rounds
from stream_rec.consumers.periodic.slate_repair import Rewriter
from stream_rec.consumers.periodic.snapshots import (
    WRITERS_PARTITION,
    MakeEngine,
    Snapshots,
    restored_at_start,
)
from stream_rec.consumers.pipeline import Surroundings
from stream_rec.consumers.replication.catch_up import arrive
from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.replication.learn_gate import Learning
from stream_rec.consumers.replication.learn_order import Order
from stream_rec.consumers.replication.ownership import Ownership
from stream_rec.consumers.replication.topic_watcher import TopicWatch
from stream_rec.consumers.runtime import library_logs
from stream_rec.consumers.runtime.background import unless
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.consumers.runtime.warm_up import warm_up
from stream_rec.consumers.topology import make_app
from stream_rec.engine.engine import Engine
from stream_rec.errors import GapError, StreamRecError, Unavailable
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import FOLLOWED, full_name
from stream_rec.settings import Settings
from stream_rec.store.connection import connect
from stream_rec.store.last_values import LastValuesStore
from stream_rec.store.lists import ListStore
from stream_rec.store.markers import Markers
from stream_rec.store.slates import SlateStore
from stream_rec.store.waiting import until_available
from stream_rec.telemetry.metrics_server import MetricsServer
from stream_rec.telemetry.prometheus import registry

REPORT_SECONDS = 1.0
LOOK_SECONDS = 2.0
SNAPSHOT_LOOK_SECONDS = 1.0
STOP_SECONDS = 4.0
"""All that a stop may take, so that a process that is told to stop is gone within five seconds."""
_CLOSE_SECONDS = 1.0
"""Bounds each of the last steps."""


class Worker:
    """One worker process: learns from the log, and serves the partitions that the group gives it.

    Make it inside a running event loop, after `ensure_topics`.

    Args:
        settings: the whole tree; addresses must be set.
        partitions: by topic, as `ensure_topics` says.
        clock: processing time.
        stopping: set to end the worker; it sets it itself when it cannot go on.
        engine: what learns; None = an empty one.
        notes: of the snapshot that the engine was filled from.

    Raises:
        ConfigError: the operator must fix something.
        Unavailable: Kafka does not answer.
    """

    def __init__(
        self,
        settings: Settings,
        partitions: Mapping[TopicName, int],
        clock: Clock,
        stopping: asyncio.Event,
        engine: Engine | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._log = logs.get("worker")
        self._failure: BaseException | None = None
        self.stopping = stopping
        engine = engine or Engine(settings.engine, settings.measure)
        self.engine = EngineThread(engine)
        topic_ids = {str(name): log_id(settings.bus, name) for name in FOLLOWED}
        self._order = Order(settings.journal, engine, notes or {}, topic_ids, clock)
        self.measures = Measures(
            settings.measure, engine.sources, attribution=engine.attribution, on_drift=self._order.drift
        )
        self._redis = connect(settings.store)
        self._markers = Markers(self._redis, settings.store)
        self._emitter = Emitter(settings.bus)
        self._until = partial(until_available, settings=settings.store, clock=clock)
        self._make_lines(partitions)
        self._events.recall(notes or {})
        self._make_rounds(partitions)
        self._metrics = MetricsServer(
            registry(self.measures.figures),
            settings.measure.prometheus_host,
            settings.measure.prometheus_port,
            {"/live": self.health.live, "/ready": self.health.ready},
        )
        self.metrics_url = self._metrics.url

    def _make_lines(self, partitions: Mapping[TopicName, int]) -> None:
        settings, measures, emitter, until = self._settings, self.measures, self._emitter, self._until
        self._slates = SlateStore(self._redis, settings.store, self._markers)
        self._list_store = ListStore(self._redis, settings.store, self._clock)
        self._events = EventsHandler(settings, self._slates, emitter, measures, until, self._clock)
        self._handlers: Handlers = {
            "events": self._events,
            "items": ItemsHandler(
                settings.ingest, self._list_store, emitter, measures, until, self._events.touch
            ),
            "impressions": ImpressionsHandler(settings.ingest, emitter, measures),
        }
        self.learning = Learning(
            settings.bus.prefix, self._handlers, self.engine, lambda batch: self.consumer.is_current(batch)
        )
        self.learning.on_learned = self._order.learned
        counts = {name: partitions[name] for name in FOLLOWED}
        self.follower = Follower(
            settings.bus, self.learning, self.engine, lambda tp: self.consumer.epochs.get(tp, 0), counts
        )
        self._topics = TopicWatch(settings.bus, counts, self._grow)
        self.ownership = Ownership(
            settings.bus,
            self.follower,
            self.engine,
            measures,
            self._markers,
            emitter,
            self._begin,
            lambda: self._rewriter.look(),
        )
        self._events.log = self.ownership.log
        self._events.n_partitions = partitions["events"]
        around = Surroundings(
            lambda: self.consumer, self.engine, self.learning, until, self._reread, self.fail
        )
        self.app, self._lines = make_app(settings.bus, self._handlers, around, self.ownership, self._end)

    def _make_rounds(self, partitions: Mapping[TopicName, int]) -> None:
        settings = self._settings
        self._lists = Lists(
            settings.store,
            self.engine,
            self._events,
            self._list_store,
            self.measures,
            lambda name, partition: (name, partition) in self.ownership.owned,
            partitions["items"],
        )
        self._rewriter = Rewriter(
            settings.store,
            settings.engine,
            self.engine,
            self._events,
            self._slates,
            self._markers,
            self.measures,
            self._clock,
        )
        name = f"{socket.gethostname()}-{os.getpid()}"
        last_values = LastValuesStore(self._redis, settings.store, self._clock, worker=name)
        self._reports = Reports(
            self.engine, self.measures, self._emitter, last_values, self._reach, self.follower, self._clock
        )
        self.health = Health(
            settings.bus.ready_within_records,
            settings.measure.live_within_seconds,
            self.engine,
            self.ownership.ready.is_set,
            self._distances,
            self._clock,
        )
        self._snapshots = Snapshots(
            settings,
            self.engine,
            self._clock,
            lambda: WRITERS_PARTITION in self.ownership.owned,
            self._notes,
            self._order.keep,
        )
        self._lost = asyncio.Event()
        self._events.on_lost = self._lost.set

    @property
    def consumer(self) -> BatchConsumer:
        """The app's consumer."""
        return self.app.consumer  # type: ignore[no-any-return]

    async def serve(self) -> int:
        """Join the group and work until `stopping` is set or a bug shows; the exit code."""
        rounds = Rounds(self.ownership.ready, self.stopping, self.fail)
        rounds.every(self._settings.store.lists_seconds, self._lists.write)
        rounds.every(REPORT_SECONDS, self._reports.send)
        rounds.every(LOOK_SECONDS, self._rewriter.look, self._lost)
        rounds.every(SNAPSHOT_LOOK_SECONDS, self._snapshots.look)
        rounds.every(self._settings.journal.flush_seconds, self._write_order)
        services = (self._watch, self.follower.run, self._topics.run, self.health.run)
        tasks = [asyncio.create_task(self._tend(service)) for service in services]
        await self.stopping.wait()
        self._log.info("stopping")
        for task in tasks:
            task.cancel()
        await rounds.end(_CLOSE_SECONDS)
        await self._stop()
        if self._failure is not None:
            self._log.error("the worker ends", why=str(self._failure))
            return 1
        return 0

    def _notes(self) -> dict[str, Any]:
        return {**self._events.notes(), **self._order.notes()}

    async def _write_order(self) -> None:
        await self.engine.ask(lambda _: self._order.flush())

    def fail(self, error: BaseException) -> None:
        """A bug, or a server that will not come back: end the process, and ack nothing more."""
        self.app.fail(error)

    def _end(self, error: BaseException) -> None:
        self._failure = self._failure or error
        if not isinstance(error, StreamRecError):
            self._log.error("a bug", exc_info=error)
        self.stopping.set()

    def _begin(self, partitions: Iterable[TP]) -> None:
        self.consumer.open(partitions)
        self._log.info(
            "serving",
            metrics=self.metrics_url,
            owned=", ".join(f"{name}/{partition}" for name, partition in sorted(self.ownership.owned)),
        )

    async def _tend(self, service: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the work until cancelled; what it raises ends the worker."""
        try:
            await service()
        except Exception as error:  # noqa: BLE001 - whatever it was, the worker cannot go on
            self.app.fail(error)

    async def _watch(self) -> None:
        """Learn what has been served, then start Faust, and end the worker when it gives up."""
        await arrive(self._settings.bus, self.engine, self.follower)
        await self.app.start()
        await self.app.wait_until_stopped()
        if not self.stopping.is_set():
            self.app.fail(self.app.crash_reason or Unavailable("kafka", "the consumer stopped by itself"))

    def _grow(self, partitions: Mapping[TopicName, int]) -> None:
        """Topics have more partitions: the group's next rebalance gives them to someone, until then we follow."""
        self._events.n_partitions = partitions["events"]
        self._lists.n_item_partitions = partitions["items"]
        self.follower.grow(partitions)

    async def _reread(self, batch: Fetched, gap: GapError) -> None:
        """Go back to what the engine misses, or past it if it is gone."""
        tp = TP(batch.topic, batch.partition)
        begins = (await self.consumer.earliest_offsets(tp))[tp]
        if begins > gap.position:
            await self.learning.pass_over(
                Fetched(batch.topic, batch.partition, batch.epoch, gap.position, begins)
            )
        await self.consumer.reread(batch, max(begins, gap.position))

    def _reach(self) -> Iterator[Reach]:
        for name, partition in sorted(self.ownership.owned):
            tp = TP(self._full(name), partition)
            end = self.consumer.end(tp)
            if end is not None:
                yield Reach(name, partition, end, self.consumer.committed(tp) or 0)

    def _distances(self) -> Iterator[Distance]:
        yield from self.follower.lags()
        for name, partition in sorted(self.ownership.owned):
            tp = TP(self._full(name), partition)
            end = self.consumer.end(tp)
            yield name, partition, None if end is None else max(0, end - (self.consumer.committed(tp) or 0))

    def _full(self, name: TopicName) -> str:
        return full_name(self._settings.bus.prefix, name)

    async def _stop(self) -> None:
        """Finish or drop what is in hand, commit, leave the group, and close everything."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STOP_SECONDS

        async def step(name: str, work: Awaitable[object], most: float = _CLOSE_SECONDS) -> None:
            await _at_most(name, work, min(most, max(0.1, deadline - loop.time())))

        is_writer = WRITERS_PARTITION in self.ownership.owned
        self.consumer.interrupted.set()
        await step("leave the group", self.app.stop(), self._settings.bus.drain_seconds + _CLOSE_SECONDS)
        await step("finish batches", asyncio.gather(*(line.idle() for line in self._lines)))
        await step("send the last figures", self._reports.send(everything=True))
        await step("publish", asyncio.to_thread(self._emitter.close, _CLOSE_SECONDS))
        if is_writer:
            await step("write a last snapshot", self._snapshots.last(), self._settings.snapshot.stop_seconds)
        await step("close /metrics", asyncio.to_thread(self._metrics.close))
        await step("close redis", self._redis.aclose())
        await step("end the engine", asyncio.to_thread(self._end_engine))

    def _end_engine(self) -> None:
        self.engine.close()
        self._order.flush()


async def _at_most(name: str, work: Awaitable[object], seconds: float) -> None:
    """One of the last steps: neither its time nor its trouble may keep the process alive."""
    log = logs.get("worker")
    task = asyncio.ensure_future(work)
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        task.cancel()
        log.warning("cut short: what was not done comes again", step=name, after_seconds=round(seconds, 1))
    elif error := task.exception():
        log.warning("failed: what was not done comes again", step=name, why=str(error))


async def _run(settings: Settings, clock: Clock, stopping: asyncio.Event, make_engine: MakeEngine) -> int:
    loop = asyncio.get_running_loop()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
    partitions = await asyncio.to_thread(ensure_topics, settings.bus)
    # Before the group counts on us.
    await unless(stopping, warm_up)
    start = await restored_at_start(settings, stopping, make_engine)
    if stopping.is_set():
        return 0
    worker = Worker(settings, partitions, clock, stopping, *start)
    # What is there now stays: going through it for garbage would stop the world for a tenth of a second and more.
    gc.collect()
    gc.freeze()
    try:
        return await worker.serve()
    finally:
        gc.freeze()  # nor at the end: it would take longer than all the rest of the stop


def run(settings: Settings, *, clock: Clock | None = None, make_engine: MakeEngine = Engine) -> int:
    """Work until SIGTERM or SIGINT; the exit code.

    0 after a signal, within five seconds, also while Redis or Kafka are down; 1 after a bug or when Kafka is gone for
    good: start it again, nothing is lost.

    Raises:
        ConfigError: the operator must fix something.
        Unavailable: Kafka does not answer at the start.
    """
    library_logs.forward()

    async def main() -> int:
        return await _run(settings, clock or SystemClock(), asyncio.Event(), make_engine)

    return asyncio.run(main())
