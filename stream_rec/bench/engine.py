"""`stream-rec bench engine`: events learned and slates made per second, one thread, all sources on.

Learning is timed over whole logs in batches as the worker has them, the judged and trained sample and the index's
refreshes inside; slates are made for the users of the log's last events, in batches as the worker makes them, and
one by one for the latency of a single slate.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import polars as pl

from stream_rec.bench import rules
from stream_rec.bench.harness import Figures, Say, calibration_ms, shown
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.named import load_columns
from stream_rec.offline.evaluate.events import batches
from stream_rec.producers.simulate.shop import ShopPlan
from stream_rec.producers.simulate.simulator import simulated_log
from stream_rec.settings import Settings

DATA_SETS = ("diginetica", "globo-news")
BATCH = 500
USERS = 4096
USERS_PER_CALL = 128
REPEATS = 3


def run(settings: Settings, say: Say, *, max_events: int | None = None, with_rules: bool = False) -> Figures:
    """Learn each data set, then make slates; the worse of the two sets counts in every figure.

    Args:
        settings: as `evaluate` has them.
        say: takes progress.
        max_events: of each set; None = all.
        with_rules: measure what rules cost, too (`bench.rules`).
    """
    results = {}
    for name in DATA_SETS:
        frame = _frame(settings, name, say)
        results[name] = _one(settings, frame.head(max_events) if max_events else frame, say, with_rules)
        say(f"{name}: " + ", ".join(f"{key} {shown(value)}" for key, value in results[name].items()))
    worst: Figures = {
        "learn_events_per_s": min(r["learn_events_per_s"] for r in results.values()),
        "slates_per_s": min(r["slates_per_s"] for r in results.values()),
        "slate_us_p50": max(r["slate_us_p50"] for r in results.values()),
        "slate_us_p99": max(r["slate_us_p99"] for r in results.values()),
        "train_sample": settings.engine.train_sample,
        "calibration_ms": calibration_ms(),
    }
    if with_rules:
        worst["rules_ratio"] = min(r["rules_ratio"] for r in results.values())
        worst |= rules.compiling(settings, say)
    for name, figures in results.items():
        worst |= {f"{name}_{key}": value for key, value in figures.items()}
    return worst


def _frame(settings: Settings, name: str, say: Say) -> pl.DataFrame:
    try:
        return load_columns(name, settings.data)
    except ConfigError:
        say(f"{name} is not there: a seeded simulation of 500,000 events takes its place")
        return simulated_log(ShopPlan(seed=settings.engine.seed), 500_000)


def _one(settings: Settings, frame: pl.DataFrame, say: Say, with_rules: bool) -> dict[str, float]:
    engine = Engine(settings.engine, settings.measure)
    seconds, n = 0.0, 0
    for batch in batches(frame, size=BATCH):
        began = time.perf_counter()
        engine.learn(batch)
        seconds += time.perf_counter() - began
        n += len(batch)
        if n % 200_000 < BATCH:
            say(f"learned {n:,} of {len(frame):,}: {n / seconds:,.0f}/s")
    users = frame["user_id"].tail(50_000).unique(maintain_order=True).tail(USERS).to_list()
    batched = [_per_slate(engine, users, USERS_PER_CALL) for _ in range(REPEATS)]
    single = np.concatenate([_each(engine, users[:1024]) for _ in range(REPEATS)])
    figures = {
        "learn_events_per_s": n / seconds,
        "slates_per_s": 1.0 / statistics.median(batched),
        "slate_us_p50": float(np.percentile(single, 50) * 1e6),
        "slate_us_p99": float(np.percentile(single, 99) * 1e6),
        "events": float(n),
    }
    if with_rules:
        figures["rules_ratio"] = rules.ratio(engine, users, settings.engine.seed)
    return figures


def _per_slate(engine: Engine, users: list[str], per_call: int) -> float:
    began = time.perf_counter()
    for start in range(0, len(users), per_call):
        engine.recommend(users[start : start + per_call])
    return (time.perf_counter() - began) / len(users)


def _each(engine: Engine, users: list[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    times = np.empty(len(users))
    for i, user in enumerate(users):
        began = time.perf_counter()
        engine.recommend([user])
        times[i] = time.perf_counter() - began
    return times
