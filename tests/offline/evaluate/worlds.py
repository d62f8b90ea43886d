"""Small logs in the form that evaluations read, and small engines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from stream_rec.offline.datasets.rows import LOG_SCHEMA
from stream_rec.settings import EngineSettings

TIMES = (
    "seconds",
    "learn_events_per_s",
    "ask_events_per_s",
    "query_us_p50",
    "query_us_p99",
    "peak_memory_mb",
)
"""Figures that differ from run to run."""
SMALL = EngineSettings(
    max_users=512,
    max_items=128,
    history_length=16,
    ring_length=16,
    n_factors=8,
    index_refresh_events=256,
    train_sample=0.3,
    train_first=0,
)


def log(rows: Iterable[tuple[str, str, float]], **columns: list[Any]) -> pl.DataFrame:
    """Rows of (user_id, item_id, ts) with more columns of the log's schema, e.g. session_id, split, value."""
    triples = list(rows)
    n = len(triples)
    given: dict[str, list[Any]] = {
        "user_id": [user for user, _, _ in triples],
        "item_id": [item for _, item, _ in triples],
        "ts": [ts for _, _, ts in triples],
        "event_type": ["click"] * n,
    }
    given |= columns
    return pl.DataFrame({name: given.get(name, [None] * n) for name in LOG_SCHEMA}, schema=LOG_SCHEMA)


def sessions(
    seed: int, n_sessions: int, *, n_items: int = 60, length: int = 6, noise: float = 0.3
) -> pl.DataFrame:
    """Interleaved sessions that walk a ring of items, an item a step, with some jumps; the last fifth is `test`."""
    rng = np.random.default_rng(seed)
    rows = []
    for session in range(n_sessions):
        item, ts = int(rng.integers(n_items)), 100.0 * session
        for _ in range(int(rng.integers(1, 2 * length))):
            rows.append((session, f"i{item}", ts))
            item = int(rng.integers(n_items)) if rng.random() < noise else (item + 1) % n_items
            ts += float(rng.exponential(60.0))
    rows.sort(key=lambda row: row[2])
    ids = [f"s{session}" for session, _, _ in rows]
    split = ["test" if session >= 0.8 * n_sessions else "train" for session, _, _ in rows]
    return log(
        ((name, item, ts) for name, (_, item, ts) in zip(ids, rows, strict=True)), session_id=ids, split=split
    )


def noise(seed: int, n: int, *, n_users: int = 30, n_items: int = 100) -> pl.DataFrame:
    """Users and items drawn independently: nobody can do better than chance."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(n_users, size=n), rng.integers(n_items, size=n)
    ts = np.cumsum(rng.exponential(10.0, n))
    return log((f"u{u}", f"i{i}", float(t)) for u, i, t in zip(users, items, ts, strict=True))


def silent(done: int, total: int) -> None:
    """Progress that nobody wants to see."""
    assert done <= total
