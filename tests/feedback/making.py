"""Small things to measure, written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_rec.feedback.attribution import Attribution
from stream_rec.schemas.event_types import EventTypes
from stream_rec.settings import EngineSettings, MeasureSettings

MINUTE = 60_000
"""A metric window in ms, as by default."""


def hashes(ids: Sequence[int]) -> NDArray[np.uint64]:
    """Stand-ins for 64-bit hashes of ids."""
    return np.array(ids, np.uint64)


BUILT_IN = EventTypes.of(EngineSettings().event_types)


def attribution(**settings: object) -> Attribution:
    """A small one with a window of 100 s."""
    bounds: dict[str, object] = {
        "attribution_window_seconds": 100.0,
        "max_open_impressions": 64,
        "max_open_places": 1024,
        "max_recent_interactions": 64,
        "max_outcome_cells": 64,
    }
    measure = MeasureSettings(**(bounds | settings))  # type: ignore[arg-type]
    return Attribution(measure, BUILT_IN, max_items=64, scenarios=["default"])


def show(
    to: Attribution,
    user: int,
    items: Sequence[int],
    ts: float,
    *,
    partition: int = 0,
    broker_ts: int = 0,
    scenario: str = "default",
    variant: str = "",
    returning: bool = False,
) -> None:
    """One impression."""
    to.expose(
        hashes([user]),
        hashes(items),
        np.array([len(items)], np.int64),
        np.array([ts], np.float64),
        np.array([broker_ts], np.int64),
        partition=partition,
        scenarios=[scenario],
        variants=[variant],
        returning=[returning],
    )


def do(to: Attribution, user: int, item: int, ts: float, kind: str = "click", value: float = np.nan) -> int:
    """One interaction; the place it was credited to, 0 = none."""
    ranks = to.interact(
        hashes([user]), hashes([item]), np.array([ts], np.float64), [kind], np.array([value], np.float32)
    )
    return int(ranks[0])


@dataclass
class FakeJudged:
    """A fresh sample with two sources."""

    at: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    rank: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    rank_by_source: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    popularity: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    only_index: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


@dataclass
class FakeRated:
    """Ratings, and what was expected."""

    at: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    values: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    expected: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass
class FakeLearned:
    """What an engine said."""

    n_learned: int = 0
    n_repeated: int = 0
    n_ignored: int = 0
    no_interest: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    fresh: FakeJudged = field(default_factory=FakeJudged)
    rated: FakeRated = field(default_factory=FakeRated)
    evicted_users: int = 0
    evicted_items: int = 0
