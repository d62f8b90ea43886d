"""`stream-rec bench start`: from the start of a worker to its being ready, with a snapshot and a tail of the log.

The worker that served the events before is gone; its snapshot lacks the tail, which it had served and committed. What
is timed is the whole life of the new one from `exec` on: interpreter, kernels, restoring, learning the tail, joining
the group, and `/ready`.
"""

from __future__ import annotations

import statistics
import tempfile
import time

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures, Say, calibration_ms, shown
from stream_rec.bench.workers import STALL_SECONDS, Workers
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.errors import Unavailable
from stream_rec.history.snapshots.store import SnapshotInfo, SnapshotStore
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import Settings, SnapshotSettings

_POLL_SECONDS = 0.2


def run(settings: Settings, say: Say, *, head: int, tail: int, repeats: int) -> Figures:
    """Serve head and tail, and start `repeats` times from the snapshot between them.

    Args:
        settings: as for a worker; addresses and snapshot folder in it are not used.
        say: takes progress.
        head: events in the snapshot.
        tail: events after it.
        repeats: starts.

    Returns:
        ready_s: median; ready_s_worst; tail_events: that the snapshot lacks; head_events: that it holds; snapshot_mib.
    """
    settings = without_addresses(settings)
    log = BenchLog.first(head + tail, settings.data)
    say(f"events: {log.name}; calibration kernel {calibration_ms():.0f} ms")
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder, start_stack(settings) as stack:
        ensure_topics(stack.settings.bus)
        store = SnapshotStore(SnapshotSettings(url=folder))
        # No other snapshot than the one after the head: not in the tail, and not at the stop.
        flags = [f"snapshot.url={folder}", f"snapshot.every_events={head}", "snapshot.min_seconds=0"]
        flags = [word for flag in [*flags, "snapshot.stop_seconds=0"] for word in ("--set", flag)]
        with Workers(stack.settings, 1, flags) as workers:
            workers.wait_until_ready()
            with Publisher(stack.settings.bus, stack.settings.ingest) as publisher:
                log.head(head).publish(publisher)
                info = _written(store, workers)
                log.part(head, tail).publish(publisher)
            workers.wait_until_served(head + tail)
        seconds = []
        for number in range(1, repeats + 1):
            seconds.append(_ready(stack.settings, flags, head + tail))
            say(f"start {number} of {repeats}: ready after {shown(seconds[-1])} s")
    return {
        "ready_s": statistics.median(seconds),
        "ready_s_worst": max(seconds),
        "tail_events": head + tail - info.n_events,
        "head_events": info.n_events,
        "snapshot_mib": info.size / 2**20,
        "repeats": repeats,
        "data": log.name,
        "calibration_ms": calibration_ms(),
    }


def _written(store: SnapshotStore, workers: Workers) -> SnapshotInfo:
    """The snapshot, once it is there."""
    clock = SystemClock()
    news_at, before = clock.monotonic(), 0.0
    while not (found := store.list()):
        if (served := workers.served()) > before:
            before, news_at = served, clock.monotonic()
        if clock.monotonic() - news_at > STALL_SECONDS:
            raise Unavailable("worker", "it writes no snapshot", waited_seconds=STALL_SECONDS)
        time.sleep(_POLL_SECONDS)
    return found[0]


def _ready(settings: Settings, flags: list[str], n_events: int) -> float:
    """Seconds to ready of a new worker, which knows everything then."""
    clock = SystemClock()
    began = clock.monotonic()
    with Workers(settings, 1, flags) as workers:
        workers.wait_until_ready()
        seconds = clock.monotonic() - began
        workers.wait_until_learned(n_events)
    return seconds
