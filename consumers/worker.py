"""A worker's life: what it starts, when it is ready, how it stops, and its exit code."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial

from stream_rec import logs
from stream_rec.bus.skips import noted
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import Clock, SystemClock
from stream_rec.consumers.bridge.inputs import inputs_of
from stream_rec.consumers.periodic.scheduler import Scheduler
from stream_rec.consumers.periodic.snapshots import MakeEngine, restored_at_start
from stream_rec.consumers.replication.catch_up import catch_up
from stream_rec.consumers.runtime import library_logs
from stream_rec.consumers.runtime.background import in_background
from stream_rec.consumers.runtime.shutdown import Shutdown
from stream_rec.consumers.runtime.stop_signal import STOP, leave
from stream_rec.consumers.runtime.waiting import tell_until
from stream_rec.consumers.topology import FIRST, WHOLE_BEFORE_JOINING
from stream_rec.consumers.warm_up import warm_up
from stream_rec.consumers.wiring import Parts, build
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import Settings

REPORT_SECONDS = 1.0
LOOK_SECONDS = 2.0
RULES_SECONDS = 0.1
"""Between two looks for rules, or items, that are to be compiled."""
DECISION_SECONDS = 0.5
"""Between two looks for decisions that something is to be done about in Redis."""
SNAPSHOT_LOOK_SECONDS = 1.0
STOP_SECONDS = 3.7
"""All that a stop may take, so that a process that is told to stop is gone within five seconds."""
_CLOSE_SECONDS = 1.0
"""Bounds each of the last steps."""


class Worker:
    """One worker process: learns from the log, and serves the partitions that the group gives it.

    Args:
        settings: the whole tree.
        parts: what it is made of.

    Attributes:
        parts: the same.
    """

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._settings = settings
        self.parts = parts
        self._log = logs.get("worker")

    async def serve(self) -> int:
        """Join the group and work until `stopping` is set or a bug shows; the exit code."""
        parts = self.parts
        scheduler = Scheduler(parts.table.ready, parts.shutdown)
        self._schedule(scheduler)
        services = (self._join, parts.follower.run, parts.topics.run, self._watch_health, parts.bridge.run)
        tasks = [asyncio.create_task(self._tend(service)) for service in services]
        await parts.shutdown.stopping.wait()
        STOP.leave_at_the_latest(_exit_code(parts.shutdown))
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        self._log.info("stopping")
        for task in tasks:
            task.cancel()
        await scheduler.end(_CLOSE_SECONDS)
        await self._stop(deadline)
        if parts.shutdown.failed:
            self._log.error("the worker ends", why=str(parts.shutdown.failure))
        return _exit_code(parts.shutdown)

    def _schedule(self, scheduler: Scheduler) -> None:
        store, parts = self._settings.store, self.parts
        scheduler.every(store.lists_seconds, parts.top_lists.write)
        scheduler.every(store.lists_seconds, parts.similar_lists.write)
        scheduler.every(store.lists_seconds, parts.category_lists.write)
        scheduler.every(store.lists_seconds, parts.scenario_names.write)
        scheduler.every(store.lists_seconds, parts.scenario_lists.write)
        scheduler.every(REPORT_SECONDS, parts.reports.send)
        scheduler.every(REPORT_SECONDS, parts.exposure.look)
        scheduler.every(REPORT_SECONDS, parts.dead_letters.tell_overdue)
        scheduler.every(LOOK_SECONDS, parts.repair.look, parts.lost)
        scheduler.every(LOOK_SECONDS, parts.removed.look)
        scheduler.every(REPORT_SECONDS, parts.window_moves.look)
        scheduler.every(RULES_SECONDS, parts.rules.look)
        scheduler.every(RULES_SECONDS, parts.filter_moves.look)
        scheduler.every(DECISION_SECONDS, parts.renewal.look)
        if parts.aging.interval:
            at_once = asyncio.Event()  # what is old may be so since before the start
            at_once.set()
            scheduler.every(parts.aging.interval, parts.aging.walk, at_once)
        scheduler.every(DECISION_SECONDS, parts.forgetting.look)
        scheduler.every(REPORT_SECONDS, parts.trial_decisions.look)
        scheduler.every(REPORT_SECONDS, parts.baselines.look)
        scheduler.every(REPORT_SECONDS, parts.drift_alarms.look)
        scheduler.every(SNAPSHOT_LOOK_SECONDS, parts.snapshots.look)
        scheduler.every(self._settings.journal.flush_seconds, self._flush_journal)

    async def _tend(self, service: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the work until cancelled; what it raises ends the worker."""
        try:
            await service()
        except Exception as error:  # noqa: BLE001 - whatever it was, the worker cannot go on
            self.parts.shutdown.fail(error)

    async def _join(self) -> None:
        """Learn what has been served, then start Faust, and end the worker when it gives up."""
        parts, app = self.parts, self.parts.app
        await catch_up(self._settings.bus, parts.engine, parts.follower, WHOLE_BEFORE_JOINING, FIRST)
        await parts.rules.look()  # no slate is written before it is known what may be shown
        telling = asyncio.create_task(tell_until(parts.table.ready))
        try:
            await app.start()
            await app.wait_until_stopped()
        finally:
            telling.cancel()
        if not parts.shutdown.stopping.is_set():
            parts.shutdown.fail(app.crash_reason or Unavailable("kafka", "the consumer stopped by itself"))

    async def _watch_health(self) -> None:
        await self.parts.health.watch(self.parts.progress, self.parts.redis.writes)

    async def _flush_journal(self) -> None:
        await self.parts.engine.ask(self._flush)

    def _flush(self, _: Engine) -> None:
        self.parts.order.flush()

    async def _stop(self, deadline: float) -> None:
        """Finish or drop what is in hand, commit, leave the group, and close everything, by the loop's time."""
        parts, loop = self.parts, asyncio.get_running_loop()

        async def step(name: str, work: Awaitable[object], most: float = _CLOSE_SECONDS) -> None:
            await _at_most(name, work, min(most, max(0.1, deadline - loop.time())))

        parts.bridge.stop()
        snapshots, leads = parts.snapshots, parts.table.leads
        parts.app.consumer.interrupted.set()
        await step("leave the group", parts.app.stop(), self._settings.bus.drain_seconds + _CLOSE_SECONDS)
        await step("finish batches", asyncio.gather(*(pipeline.idle() for pipeline in parts.pipelines)))
        await step("end the bridge", parts.bridge.ended())
        await step("send the last figures", parts.reports.send_last())
        await step("publish", in_background(partial(parts.emitter.close, _CLOSE_SECONDS)))
        await step("remove who was forgotten", parts.forgetting.look())
        # A snapshot that knows of a decision comes after what it demands: who starts from it would not do that again.
        if leads and not parts.forgetting.owes:
            await step("write a last snapshot", snapshots.last(), self._settings.snapshot.stop_seconds)
        await step("close /metrics", in_background(parts.metrics.close))
        await step("close redis", parts.redis.aclose())
        await step("end the engine", in_background(self._end_engine))

    def _end_engine(self) -> None:
        self.parts.engine.close()
        self.parts.order.flush()


async def _at_most(name: str, work: Awaitable[object], seconds: float) -> None:
    """One of the last steps: neither its time nor its trouble may keep the process alive."""
    log = logs.get("worker")
    task = asyncio.ensure_future(work)
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        task.cancel()
        log.warning(
            "shutdown step timed out; what it did not finish will be redelivered",
            step=name,
            after_seconds=round(seconds, 1),
        )
    elif error := task.exception():
        log.warning(
            "shutdown step failed; what it did not finish will be redelivered", step=name, why=str(error)
        )


def _exit_code(shutdown: Shutdown) -> int:
    if not shutdown.failed:
        return 0
    return 2 if isinstance(shutdown.failure, ConfigError) else 1


async def _run(settings: Settings, clock: Clock, make_engine: MakeEngine) -> int:
    log, stopping, loop = logs.get("worker"), asyncio.Event(), asyncio.get_running_loop()

    def leave_early() -> None:
        """Nothing is written and nobody counts on us yet: there is nothing to finish."""
        log.info("stopped before it served")
        leave()

    STOP.on_stop(leave_early)
    if settings.bridge.in_worker:
        inputs_of(settings)  # what is wrong in a shape is said before kernels are compiled for minutes
    log.debug("starting", step="topics")
    counts = await in_background(partial(ensure_topics, settings.bus))
    # Before the group counts on us.
    log.debug("starting", step="kernels")
    await in_background(warm_up)
    log.debug("starting", step="restore")
    start = await restored_at_start(settings, make_engine)
    if skip := noted(start.notes):
        log.warning("records are left out: nothing of them is learned", skip=", ".join(skip))
    worker = Worker(settings, build(settings, counts, start, stopping, clock))
    # What is there now stays: going through it for garbage would stop the world for a tenth of a second and more.
    gc.collect()
    gc.freeze()
    STOP.on_stop(lambda: loop.call_soon_threadsafe(stopping.set))
    log.debug("starting", step="join")
    try:
        return await worker.serve()
    finally:
        gc.freeze()  # nor at the end: it would take longer than all the rest of the stop


def run(settings: Settings, *, clock: Clock | None = None, make_engine: MakeEngine = Engine) -> int:
    """Work until SIGTERM or SIGINT; the exit code. A signal that comes before it serves ends the process here.

    0 after a signal, within five seconds, also while Redis or Kafka are down; 1 after a bug or when Kafka is gone for
    good: start it again, nothing is lost; 2 when a server shows that the operator must fix something.

    Raises:
        ConfigError: the operator must fix something.
        Unavailable: Kafka does not answer at the start.
    """
    STOP.install()
    library_logs.forward()
    return asyncio.run(_run(settings, clock or SystemClock(), make_engine))
