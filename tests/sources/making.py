"""Streams of random events, small engines, and codes, for the models' tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.settings import EngineSettings, MeasureSettings

SMALL_MEASURE = MeasureSettings(
    max_open_impressions=16, max_open_places=256, max_recent_interactions=16, max_outcome_cells=16
)


class Click(NamedTuple):
    """One event."""

    user: int
    item: int
    ts: float


def clicks(
    seed: int, n: int, *, users: int, items: int, pause: float = 600.0, late: float = 0.1
) -> list[Click]:
    """Random events whose times grow by `pause` on average; a share of them comes `late` and out of order."""
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.exponential(pause / max(users, 1), n))
    ts -= np.where(rng.random(n) < late, rng.exponential(pause, n), 0.0)
    return [
        Click(int(user), int(item), float(max(t, 0.0)))
        for user, item, t in zip(
            rng.integers(users, size=n), (rng.random(n) ** 2 * items).astype(int), ts, strict=True
        )
    ]


def batch(events: list[Click], start: int = 0, sessions: list[str] | None = None) -> EventBatch:
    """The events as one batch of partition 0."""
    return EventBatch.of(
        [(f"u{c.user}", f"i{c.item}", c.ts) for c in events],
        span=Span("events", 0, 0, start, start + len(events)),
        sessions=sessions,
    )


def engine(**bounds: object) -> Engine:
    """Small in every respect but those that are named."""
    small: dict[str, object] = {
        "max_users": 64,
        "max_items": 64,
        "history_length": 16,
        "ring_length": 8,
        "n_factors": 8,
        "index_refresh_events": 32,
        "train_sample": 0.3,
        "train_first": 0,
    }
    return Engine(EngineSettings.model_validate(small | bounds), SMALL_MEASURE)


def code(row: int, generation: int = 1) -> int:
    """The code of a row, as kernels.codes has it."""
    return row | generation << 24


def rows_by_number(names: list[str]) -> dict[int, int]:
    """Rows in the order in which names entered, by the number behind a name's first letter."""
    return {int(name[1:]): row for row, name in enumerate(dict.fromkeys(names))}
