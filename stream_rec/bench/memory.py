"""`stream-rec bench memory`: how much the engine takes when every bound is reached, with the default settings.

Every user and item enters by learning an event; then all histories, rings, rows and factors are filled by hand with
valid references, since learning fifty million events would take a quarter of an hour and touch the same pages.
"""

from __future__ import annotations

import os

import numpy as np
import psutil

from stream_rec.bench.harness import Figures, Say, calibration_ms
from stream_rec.engine.engine import Engine
from stream_rec.engine.state.memory import accounted
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.settings import Settings

CHUNK = 50_000
GIB = 2**30


def run(settings: Settings, say: Say) -> Figures:
    """Fill an engine to its bounds and weigh the process.

    Returns:
        gib (resident, the whole process), bytes_per_user, bytes_per_item (accounted), rss_over_accounted, and the
        bounds.
    """
    users, items = settings.engine.max_users, settings.engine.max_items
    engine = full(settings, say)
    engine.recommend([user_id(row) for row in range(1000)])
    sizes = accounted(engine)
    resident = psutil.Process(os.getpid()).memory_info().rss
    return {
        "gib": resident / GIB,
        "bytes_per_user": sizes["users"] / users,
        "bytes_per_item": sizes["items"] / items,
        "rss_over_accounted": resident / sum(sizes.values()),
        "users": users,
        "items": items,
        "events_per_user": settings.engine.history_length,
        "calibration_ms": calibration_ms(),
    }


def full(settings: Settings, say: Say) -> Engine:
    """An engine with every bound reached."""
    engine = Engine(settings.engine, settings.measure)
    users, items = settings.engine.max_users, settings.engine.max_items
    for start in range(0, users, CHUNK):
        say(f"users {start:,} of {users:,}")
        engine.learn(_arrivals(start, min(CHUNK, users - start), items))
    say("filling histories, rings and rows")
    fill(engine)
    return engine


def user_id(row: int) -> str:
    """Ids of 16 characters, as hashes and counters in base 16 are."""
    return f"{row * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF:016x}"


def _arrivals(start: int, n: int, items: int) -> EventBatch:
    rows = [(user_id(row), f"item-{row % items:07d}", 1.7e9 + row / 100) for row in range(start, start + n)]
    return EventBatch.of(rows, span=Span("events", 0, 0, start, start + n))


def fill(engine: Engine) -> None:
    """Write something valid into every place of every array that is bounded by users or items."""
    s, rng = engine.state, np.random.default_rng(1)
    n_users, length = s.histories.items.shape
    n_items = len(s.generation)

    def codes(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        return rng.integers(0, n_items, shape, np.int32) | np.int32(1 << 24)

    for start in range(0, n_users, CHUNK):
        some = slice(start, start + CHUNK)
        s.histories.items[some] = codes((min(CHUNK, n_users - start), length))
        shape = s.histories.types[some].shape
        s.histories.types[some] = rng.integers(0, 8, shape, np.uint8)
        s.histories.pauses[some] = rng.integers(0, 256, shape, np.uint8)
        s.factors.users[some] = rng.normal(0, 0.1, (min(CHUNK, n_users - start), s.factors.users.shape[1]))
    s.histories.n_events[:] = length
    ring = s.neighbours.users.shape[1]
    s.neighbours.pushed[:] = ring
    t, m = s.transitions, s.item_neighbours
    tables = (
        (t.next_codes, t.next_weights),
        (t.later_codes, t.later_weights),
        (t.back_codes, t.back_weights),
    )
    for row in range(0, n_items, CHUNK):
        some = slice(row, row + CHUNK)
        n = min(CHUNK, n_items - row)
        s.neighbours.users[some] = rng.integers(0, n_users, (n, ring), np.int32)
        s.neighbours.places[some] = rng.integers(0, length, (n, ring), np.uint8)
        for table, weights in (*tables, (m.codes, m.counts)):
            table[some] = codes((n, table.shape[1]))
            weights[some] = rng.random((n, weights.shape[1]), np.float32)
    s.factors.tags[:] = 1
