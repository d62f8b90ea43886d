"""From a log to the stream that all peers get: numbers for names, sessions, and what is asked."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench.peers.stream import Stream
from stream_rec.errors import ConfigError
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.rules import Rules

SEARCH_PART = 0.2
REHEARSAL_FROM = 0.5
"""In the search a peer is asked from here on, so that it has learned something."""
SEED = 42


def layout(log: pl.DataFrame, *, asks: int, exclude_seen: bool) -> Stream:
    """Lay out the comparison.

    Args:
        log: good rows in log order, in the form of `stream_rec.offline.datasets.rows.LOG_SCHEMA`.
        asks: size of the seeded sample of queries in the last 80 %; half as many are asked in the search.
        exclude_seen: as in Rules.

    Raises:
        ConfigError: too few events to ask for anything.
    """
    plan = Plan.of(log, Rules("prequential", exclude_seen=exclude_seen))
    users = _numbers(plan.log.select(row=pl.col("user_id")))
    n, n_search = len(plan), int(SEARCH_PART * len(plan))
    choose = np.random.default_rng(SEED)
    asked = _sample(plan.asked, n_search, n, asks, choose)
    rehearsed = _sample(plan.asked, int(REHEARSAL_FROM * n_search), n_search, max(1, asks // 2), choose)
    if not asked.any() or not rehearsed.any():
        raise ConfigError(
            f"nothing to ask in the parts of {n:,} events", fix="take more events, or another log"
        )
    return Stream(
        users=users,
        sessions=_sessions(plan, users),
        items=plan.items,
        ts=plan.log["ts"].to_numpy(),
        values=plan.log["value"].cast(pl.Float32).fill_null(float("nan")).to_numpy(),
        asked=asked,
        rehearsed=rehearsed,
        n_search=n_search,
        exclude_seen=exclude_seen,
    )


def _numbers(rows: pl.DataFrame) -> NDArray[np.int32]:
    """Equal rows get equal numbers, in the order of first appearance."""
    first = rows.with_row_index("at").select(pl.col("at").first().over("row"))
    numbers: NDArray[np.int32] = (
        first.select(pl.col("at").rank("dense") - 1).to_series().to_numpy().astype(np.int32)
    )
    return numbers


def _sessions(plan: Plan, users: NDArray[np.int32]) -> NDArray[np.int32]:
    """The producer's sessions; without any, a user's are cut by the pauses that the engine goes by."""
    if plan.groups is not None:
        return _numbers(pl.DataFrame({"row": plan.groups}))
    frame = pl.DataFrame({"user": users, "begins": ~plan.continues})
    of_user = frame.select(row=pl.struct("user", pl.col("begins").cum_sum().over("user")))
    return _numbers(of_user)


def _sample(
    among: NDArray[np.bool_], first: int, last: int, size: int, choose: np.random.Generator
) -> NDArray[np.bool_]:
    rows = np.flatnonzero(among[first:last]) + first
    out = np.zeros(len(among), np.bool_)
    out[choose.permutation(rows)[:size]] = True
    return out
