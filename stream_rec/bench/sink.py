"""`stream-rec bench sink`: events a second that one core writes into Parquet, and what `kill -9` costs: nothing.

The log is there before the sink starts. The sink, with all its threads, has one core to itself as far as the machine
allows; what counts is the processor time that it takes, from joining the group to the last published file.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures, Say, calibration_ms, shown
from stream_rec.bench.workers import STALL_SECONDS
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import Broker, start_stack, without_addresses
from stream_rec.errors import Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import Settings, SinkSettings
from stream_rec.sink.sink import Sink

_KILL_WITHIN_SECONDS = 6.0
_TRICKLE = 50


def run(settings: Settings, say: Say, *, events: int, kills: int, broker: Broker, seed: int = 1) -> Figures:
    """Write a log of events, and one more under kills.

    Args:
        settings: as for a sink; addresses and folder in it are not used.
        say: takes progress.
        events: in the log that is timed.
        kills: of a sink that writes a log which grows meanwhile; 0 = none.
        broker: embedded, or Apache Kafka.
        seed: of the moments.

    Returns:
        events_per_cpu_s: of all the sink's threads; events_per_s: by the wall clock, on a core that others use, too;
        bytes_per_event: in the files; peak_mib: of the process, bench included. With kills also `lost` and `doubled`.
    """
    settings = without_addresses(settings)
    log = BenchLog.first(events, settings.data)
    say(f"events: {log.name}; calibration kernel {calibration_ms():.0f} ms")
    figures: Figures = {}
    with (
        tempfile.TemporaryDirectory(prefix="bench-sink-") as folder,
        start_stack(settings, broker=broker) as stack,
    ):
        sink = SinkSettings(url=f"{folder}/timed", topics=("events",), options=settings.sink.options)
        one = stack.settings.model_copy(update={"sink": sink})
        ensure_topics(one.bus)
        with Publisher(one.bus, one.ingest) as publisher:
            log.publish(publisher)
            say(f"{events:,} events are in the log")
        figures |= _timed(one, events)
        say(f"{shown(figures['events_per_cpu_s'])} events a second of processor time")
        if kills:
            sink = sink.model_copy(update={"url": f"{folder}/killed", "every_seconds": 0.5})
            figures |= _killed(one.model_copy(update={"sink": sink}), say, kills, log.head(_TRICKLE), seed)
    return figures | {
        "events": events,
        "broker": broker,
        "data": log.name,
        "calibration_ms": calibration_ms(),
    }


def _timed(settings: Settings, events: int) -> Figures:
    clock = SystemClock()
    with _on_one_core(), closing(Sink(settings, clock)) as sink:
        before, began = _cpu_seconds(), clock.monotonic()
        news_at, known = began, 0
        while sink.totals.records + sink.n_pending < events:
            sink.step()
            if (have := sink.totals.records + sink.n_pending) > known:
                known, news_at = have, clock.monotonic()
            if clock.monotonic() - news_at > STALL_SECONDS:
                raise Unavailable("sink", "it reads nothing", waited_seconds=STALL_SECONDS)
        sink.flush()
        cpu, seconds = _cpu_seconds() - before, clock.monotonic() - began
        totals = sink.totals
    return {
        "events_per_cpu_s": totals.records / cpu,
        "events_per_s": totals.records / seconds,
        "files": totals.files,
        "bytes_per_event": totals.n_bytes / totals.records,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def _on_one_core() -> Iterator[None]:
    """All threads that are started inside run on one core, where the system lets us say so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _killed(settings: Settings, say: Say, kills: int, log: BenchLog, seed: int) -> Figures:
    """Kill the sink at random moments, while its log grows; then let one finish, and count every offset."""
    moments = random.Random(seed)
    for kill in range(1, kills + 1):
        with _process(settings) as process, Publisher(settings.bus, settings.ingest) as publisher:
            before, began = len(_offsets(settings)), time.monotonic()
            until = began + moments.uniform(0, _KILL_WITHIN_SECONDS)
            # Every third one is killed while it starts; the others while they write.
            while time.monotonic() < until or (kill % 3 and len(_offsets(settings)) == before):
                log.publish(publisher)
                time.sleep(0.1)
                if process.poll() is not None:
                    raise Unavailable("sink", f"it ended with {process.returncode}")
                if time.monotonic() - began > STALL_SECONDS:
                    raise Unavailable("sink", "it writes nothing", waited_seconds=STALL_SECONDS)
        say(f"kill {kill} of {kills}: {len(_offsets(settings)):,} rows are there")
    ends = OffsetReader(settings.bus).ends(["events"])
    with closing(Sink(settings, SystemClock())) as sink:
        news_at, known = time.monotonic(), -1
        while (rows := len(_offsets(settings))) < sum(ends.values()):
            sink.step()
            if rows > known:
                known, news_at = rows, time.monotonic()
            if time.monotonic() - news_at > STALL_SECONDS:
                break
    found = _offsets(settings)
    return {
        "kills": kills,
        "offsets": sum(ends.values()),
        "lost": sum(ends.values()) - len(found.unique()),
        "doubled": len(found) - len(found.unique()),
    }


def _offsets(settings: Settings) -> pl.DataFrame:
    """Partition and offset of every row that a reader sees, by the plain pattern."""
    found = [
        pl.read_parquet(path, columns=["partition", "offset"])
        for path in sorted(Path(settings.sink.url).glob("events/**/*.parquet"))
    ]
    return pl.concat(found) if found else pl.DataFrame({"partition": [], "offset": []})


@contextmanager
def _process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A sink as a process; killed at the end."""
    given = {
        "bus.bootstrap": settings.bus.bootstrap,
        "bus.prefix": settings.bus.prefix,
        "bus.group": settings.bus.group,
        "bus.session_timeout_seconds": settings.bus.session_timeout_seconds,
        "sink.url": settings.sink.url,
        "sink.every_seconds": settings.sink.every_seconds,
        "sink.topics": json.dumps(settings.sink.topics),
    }
    flags = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    process = subprocess.Popen(
        [sys.executable, "-m", "stream_rec.cli", "--log-level", "warning", "sink", *flags]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
