"""`stream-rec bench serve`: reads and batches of events over HTTP, while a worker learns 500 events a second.

Everything is a process of its own: broker, Redis, worker, server, and the load (`stream_rec.bench.serve_load`). The
server has its default settings, access log and all.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.freshness import wait_until_handled
from stream_rec.bench.harness import Figures, Say, calibration_ms
from stream_rec.bench.serve_load import Outcome, Plan
from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.serve import ServeProcess
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.producers.feed.feed import Feed, Row
from stream_rec.producers.feed.pace import PerSecond
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.serve.freshness_probe import percentile
from stream_rec.settings import Settings

PRELOAD_EVENTS = 50_000
LEARNED_PER_SECOND = 500.0
CONNECTIONS = 16
BATCH = 100
POSTERS = 4
WARM_UP_SECONDS = 2.0
STEP_SECONDS = 6.0
STEP = 1.25
"""The rate grows by this factor until the server does not keep up."""
LATE_MS = 25.0
MAX_STEPS = 12
_PATHS = 2000


def run(settings: Settings, say: Say, *, rate: float, seconds: float) -> Figures:
    """Reads at a rate, then as many as it takes, then batches of events.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        rate: reads per second.
        seconds: of them.

    Returns:
        Milliseconds of reads, the server's CPU, the highest rate of reads with p99 <= LATE_MS, events taken a second.
    """
    settings = without_addresses(settings)
    spare = int(LEARNED_PER_SECOND * (seconds + (MAX_STEPS + 4) * (STEP_SECONDS + 1)))
    log = BenchLog.first(PRELOAD_EVENTS + spare, settings.data)
    say(f"events: {log.name}; calibration kernel {calibration_ms():.0f} ms")
    rows = log.rows()
    with start_stack(settings) as stack:
        ensure_topics(stack.settings.bus)
        worker = WorkerProcess(stack.settings)
        try:
            with Publisher(stack.settings.bus, stack.settings.ingest) as publisher:
                Feed(publisher).run(rows[:PRELOAD_EVENTS])
            wait_until_handled(worker, stack.settings)
            server = ServeProcess(stack.settings)
            try:
                figures = _measured(stack.settings, server, rows, rate, seconds, say)
            finally:
                code = server.stop()
        finally:
            worker.stop()
    return {
        **figures,
        "serve_exit_code": code,
        "rate": rate,
        "data": log.name,
        "calibration_ms": calibration_ms(),
    }


def _measured(
    settings: Settings, server: ServeProcess, rows: Sequence[Row], rate: float, seconds: float, say: Say
) -> Figures:
    paths = _paths(rows[:PRELOAD_EVENTS])
    with _learning(settings, rows[PRELOAD_EVENTS:]):
        _load(server, paths=paths, rate=rate, seconds=WARM_UP_SECONDS, connections=CONNECTIONS)
        say(f"{rate:g} reads/s for {seconds:g} s, {LEARNED_PER_SECOND:g} events/s learned beside them ...")
        before = server.cpu_seconds()
        reads = _load(server, paths=paths, rate=rate, seconds=seconds, connections=CONNECTIONS)
        cpu_us_read = (server.cpu_seconds() - before) / len(reads.ms) * 1e6
        mib = server.rss_mib()
        most = _most(server, paths, rate, say)
        say("batches of events ...")
        batch = [msgspec.to_builtins(row.event) for row in rows[:BATCH] if row.event]
        before = server.cpu_seconds()
        posted = _load(server, body=msgspec.json.encode(batch), seconds=STEP_SECONDS, connections=POSTERS)
        n_events = len(batch) * (len(posted.ms) - posted.errors)
        cpu_us_ingest = (server.cpu_seconds() - before) / max(1, n_events) * 1e6
    return {
        "read_ms_p50": percentile(reads.ms, 0.5),
        "read_ms_p90": percentile(reads.ms, 0.9),
        "read_ms_p99": percentile(reads.ms, 0.99),
        "errors": reads.errors + posted.errors,
        "reads": len(reads.ms),
        "cpu_us_read": cpu_us_read,
        "max_reads_per_s": most,
        "ingest_per_s": n_events / posted.seconds,
        "cpu_us_ingest": cpu_us_ingest,
        "stateless_mib": max(mib, server.rss_mib()),
    }


def _most(server: ServeProcess, paths: Sequence[str], rate: float, say: Say) -> float:
    """The highest rate at which the server kept up."""
    best = 0.0
    for _ in range(MAX_STEPS):
        found = _load(server, paths=paths, rate=rate, seconds=STEP_SECONDS, connections=2 * CONNECTIONS)
        p99 = percentile(found.ms, 0.99)
        say(f"  {rate:,.0f} reads/s: p99 {p99:.1f} ms, {found.errors} errors")
        if p99 > LATE_MS or found.errors:
            break
        best, rate = rate, rate * STEP
    return best


def _paths(rows: Sequence[Row]) -> list[str]:
    """Reads of known users, each once."""
    users = dict.fromkeys(row.event.user_id for row in reversed(rows) if row.event)
    return [f"/v1/users/{quote(user, safe='')}/recommendations?n=20" for user in list(users)[:_PATHS]]


def _load(server: ServeProcess, **plan: Any) -> Outcome:
    at = urlsplit(server.url)
    sent = msgspec.json.encode(Plan(host=at.hostname or "", port=at.port or 0, **plan))
    done = subprocess.run(
        [sys.executable, "-m", "stream_rec.bench.serve_load"], input=sent, stdout=subprocess.PIPE, check=True
    )
    server.check()
    return msgspec.json.decode(done.stdout, type=Outcome)


@contextmanager
def _learning(settings: Settings, rows: Sequence[Row]) -> Iterator[None]:
    """Events at a steady rate, in a thread, until the end."""
    stop = threading.Event()

    def feed() -> None:
        with Publisher(settings.bus, settings.ingest) as publisher:
            Feed(publisher, pace=PerSecond(LEARNED_PER_SECOND), stop=stop.is_set).run(rows)

    thread = threading.Thread(target=feed, name="feed")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
