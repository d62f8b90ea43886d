"""`stream-rec bench freshness`: publish to readable slate, beside the same path without an engine.

Each run has servers and a worker of its own. The worker first handles `PRELOAD_EVENTS`, so that the engine has
something to rank; then events come at a steady rate, and some of them are watched from outside: see
`stream_rec.serve.freshness_probe` for what is timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures, Say, calibration_ms, in_turns, medians
from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import Broker, start_stack, without_addresses
from stream_rec.embedded.worker import WORKER, WorkerProcess
from stream_rec.errors import Unavailable
from stream_rec.producers.feed.feed import Feed, Row
from stream_rec.producers.feed.pace import PerSecond
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.serve.freshness_probe import FreshnessProbe, WatchedPublisher, percentile
from stream_rec.settings import Settings

FLOOR_WORKER = ("stream_rec.bench.floor_worker",)
PRELOAD_EVENTS = 100_000
SECONDS = 20.0
SETTLE_SECONDS = 3.0
WATCHED_PER_SECOND = 100.0
REPEATS = 3
_CATCH_UP_SECONDS = 600.0
_DRAIN_SECONDS = 30.0
_POLL_SECONDS = 0.25


def run(
    settings: Settings,
    say: Say,
    *,
    rate: float,
    repeats: int = REPEATS,
    seconds: float = SECONDS,
    broker: Broker = "tansu",
) -> Figures:
    """Run floor and worker in turns.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        rate: events per second while it is measured.
        repeats: of each arm.
        seconds: measured in each run, after `SETTLE_SECONDS` at the same rate.
        broker: the embedded one, or Apache Kafka.

    Returns:
        Medians over the runs of each run's p50 and p99.
    """
    settings = without_addresses(settings)
    log = BenchLog.first(PRELOAD_EVENTS + int(rate * (seconds + SETTLE_SECONDS)), settings.data)
    say(f"events: {log.name}, {rate:g}/s; calibration kernel {calibration_ms():.0f} ms")
    arms = {
        "floor": lambda: measure(settings, log, rate, FLOOR_WORKER, broker=broker),
        "ours": lambda: measure(settings, log, rate, WORKER, broker=broker),
    }
    results = in_turns(arms, repeats, say)
    ours, floor = medians(results["ours"]), medians(results["floor"])
    return {
        **ours,
        **{f"floor_{name}": value for name, value in floor.items()},
        "p50_over_floor": ours["p50_ms"] / floor["p50_ms"],
        "rate": rate,
        "broker": broker,
        "data": log.name,
        "repeats": repeats,
        "calibration_ms": calibration_ms(),
    }


def measure(
    settings: Settings,
    log: BenchLog,
    rate: float,
    program: Sequence[str],
    preload: int = PRELOAD_EVENTS,
    *,
    broker: Broker = "tansu",
) -> dict[str, float]:
    """One run: percentiles of freshness, events watched, and those whose slate never came.

    Args:
        settings: without addresses.
        log: `preload` events, `SETTLE_SECONDS` of events at the rate, and those that are measured.
        rate: events per second after the first `preload`.
        program: the worker.
        preload: events that the worker handles before.
        broker: the embedded one, or Apache Kafka.
    """
    rows = log.rows()
    settled = preload + int(rate * SETTLE_SECONDS)
    with start_stack(settings, broker=broker) as stack:
        ensure_topics(stack.settings.bus)
        worker = WorkerProcess(stack.settings, program=program)
        try:
            with Publisher(stack.settings.bus, stack.settings.ingest) as publisher:
                Feed(publisher).run(rows[:preload])
            wait_until_handled(worker, stack.settings)
            return _watched(stack.settings, rows[preload:settled], rows[settled:], rate)
        finally:
            worker.stop()


def _watched(
    settings: Settings, settling: Sequence[Row], rows: Sequence[Row], rate: float
) -> dict[str, float]:
    # One publisher for both, and as many events watched: connecting is no part of any event's freshness.
    with FreshnessProbe(settings.store) as probe:
        with WatchedPublisher(settings.bus, settings.ingest, probe, WATCHED_PER_SECOND) as publisher:
            Feed(publisher, pace=PerSecond(rate)).run(settling)
            probe.drain(_DRAIN_SECONDS)
            settled, given_up = len(probe.seconds()), probe.n_given_up
            Feed(publisher, pace=PerSecond(rate)).run(rows)
        probe.drain(_DRAIN_SECONDS)
        seconds = probe.seconds()[settled:]
    return {
        "p50_ms": percentile(seconds, 0.5) * 1000,
        "p99_ms": percentile(seconds, 0.99) * 1000,
        "watched": len(seconds),
        "not_seen": probe.n_given_up - given_up,
    }


def wait_until_handled(worker: WorkerProcess, settings: Settings) -> None:
    """Return when the worker has handled all events.

    Raises:
        Unavailable: it does not catch up.
    """
    clock = SystemClock()
    worker.wait_until_ready()
    deadline = clock.monotonic() + _CATCH_UP_SECONDS
    while any(line.lag for line in lag(settings.bus, names=["events"])):
        worker.check()
        if clock.monotonic() > deadline:
            raise Unavailable("worker", "it does not catch up", waited_seconds=_CATCH_UP_SECONDS)
        time.sleep(_POLL_SECONDS)
