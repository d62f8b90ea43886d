"""`stream-rec bench snapshot`: a full engine kept and restored: how long it stands still, and how long the rest takes.

The engine is that of `bench memory`: every user, item, history, ring and row is there. It goes on learning while the
child writes, as in a worker, so pages are copied; the restore reads from the disk, not from the page cache.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from stream_rec.bench.harness import Figures, Say, calibration_ms
from stream_rec.bench.memory import full, user_id
from stream_rec.clock import SystemClock
from stream_rec.engine.engine import Engine
from stream_rec.history.snapshots.facts import Facts, LogFacts
from stream_rec.history.snapshots.store import SnapshotInfo, SnapshotStore
from stream_rec.history.snapshots.writer import SnapshotWriter
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import Settings, SnapshotSettings

MIB = 2**20
REPEATS = 3
_BATCH = 500
_LOOK_SECONDS = 0.25
"""To look takes ten milliseconds: more often would slow the learning down."""
_FACTS = Facts("bench", {"events": LogFacts("bench", {0: 0}, {0: 1 << 62})})


def run(settings: Settings, say: Say) -> Figures:
    """Keep a full engine `REPEATS` times, then restore the last snapshot.

    Returns:
        pause_ms (the engine's thread is held, the longest), write_s (from then on until it is published, median),
        last_s (all of a snapshot as it is written at a stop), restore_s, mib (on the disk), extra_mib (memory of both
        processes above the one's before, the most seen), learned_meanwhile (events per second while the child
        writes), and the bounds.
    """
    engine = full(settings, say)
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory(
        prefix="bench-snapshot-", dir=settings.snapshot.scratch or None
    ) as folder:
        snapshot = SnapshotSettings(url=folder, keep=1, write_timeout_seconds=600)
        store = SnapshotStore(snapshot)
        writer = SnapshotWriter(store, _FACTS, SystemClock())
        runs = []
        for number in range(1, REPEATS + 1):
            say(f"snapshot {number} of {REPEATS}")
            runs.append(_written(engine, writer, rng))
        last_s = _last(engine, writer)
        name, size = store.list()[0].name, store.list()[0].size
        restore_s = _restored(settings, store, name, Path(folder))
    pauses, seconds, extras, rates = zip(*runs, strict=True)
    return {
        "pause_ms": max(pauses),
        "restore_s": restore_s,
        "write_s": statistics.median(seconds),
        "last_s": last_s,
        "mib": size / MIB,
        "extra_mib": max(extras) / MIB,
        "learned_meanwhile": statistics.median(rates),
        "users": settings.engine.max_users,
        "items": settings.engine.max_items,
        "calibration_ms": calibration_ms(),
    }


def _written(
    engine: Engine, writer: SnapshotWriter, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Pause in ms, seconds until published, bytes more than before, events learned per second meanwhile."""
    before = _memory()
    began = time.perf_counter()
    writing = writer.begin(engine)
    forked = time.perf_counter()
    n, most, looked = 0, 0, forked
    with ThreadPoolExecutor(1) as pool:
        done: Future[SnapshotInfo] = pool.submit(writing.finish)
        while not done.done():
            engine.learn(_more_events(engine, rng))
            n += _BATCH
            if time.perf_counter() - looked > _LOOK_SECONDS:
                most, looked = max(most, _memory()), time.perf_counter()
        done.result()
    seconds = time.perf_counter() - forked
    return (forked - began) * 1e3, seconds, float(most - before), n / seconds


def _last(engine: Engine, writer: SnapshotWriter) -> float:
    began = time.perf_counter()
    writer.begin(engine).finish(durable=False)
    return time.perf_counter() - began


def _more_events(engine: Engine, rng: np.random.Generator) -> EventBatch:
    start = engine.position[TopicPartition("events", 0)]
    users = rng.integers(0, engine.settings.max_users, _BATCH).tolist()
    items = rng.integers(0, engine.settings.max_items, _BATCH).tolist()
    rows = [
        (user_id(user), f"item-{item:07d}", engine.event_time)
        for user, item in zip(users, items, strict=True)
    ]
    return EventBatch.of(rows, span=Span("events", 0, 0, start, start + _BATCH))


def _memory() -> int:
    """Bytes of this process and its children that are in no file, what they share counted once."""
    me = psutil.Process(os.getpid())
    total = 0
    for process in (me, *me.children()):
        with suppress(OSError):  # it has just ended
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            total += 1024 * sum(map(int, re.findall(r"Pss_Anon: +(\d+) kB", rollup)))
    return total


def _restored(settings: Settings, store: SnapshotStore, name: str, folder: Path) -> float:
    """Seconds from nothing to an engine that answers."""
    for path in folder.iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
    began = time.perf_counter()
    engine = Engine(settings.engine, settings.measure)
    store.load(name, engine)
    engine.recommend([user_id(0)])
    return time.perf_counter() - began
