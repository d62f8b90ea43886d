"""What became of each query: by whose it was and what the answer was, with intervals, and in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from stream_rec.kernels.ids import hash_ids
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.ranks import means
from stream_rec.offline.evaluate.tiers import TIERS, tiers_of
from stream_rec.schemas.columns import IdColumn

NEW_EVENTS = 5
"""A user with fewer earlier events is new."""
LEAST_USERS = 30
"""With fewer nothing is said of how far a figure may be off."""
_UNITS = 10_000
"""Users are dealt to so many groups at most; groups are drawn again like users, and tell as much."""
_RESAMPLES = 999
_CONFIDENCE = 0.95
_BATCH_CELLS = 4_000_000
SCHEMA = {"run": pl.String, "place": pl.Int64, "user": pl.UInt64, "rank": pl.Int32}


class Interval(NamedTuple):
    """Where a figure lies in 95 % of cases; nan = there are too few users to say."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outcomes:
    """q queries, in their order.

    Attributes:
        place: int64 [q], row of the log.
        user: uint64 [q], hash of the user's id.
        rank: int32 [q], of the answer in the blend, from 1; 0 = miss.
        segments: by name, bool [q]: which queries are of it.
    """

    place: NDArray[np.int64]
    user: NDArray[np.uint64]
    rank: NDArray[np.int32]
    segments: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, plan: Plan, at: NDArray[np.int64], rank: NDArray[np.int32]) -> Outcomes:
        """Of queries at rows `at` of a plan."""
        users = plan.log["user_id"]
        before = plan.log.select(pl.int_range(pl.len()).over("user_id")).to_series().to_numpy()
        is_new, tiers = before[at] < NEW_EVENTS, tiers_of(plan)[plan.items[at]]
        return cls(
            place=plan.places[at],
            user=hash_ids(IdColumn.of(users.to_list()))[at],
            rank=rank,
            segments={
                "new_users": is_new,
                "returning_users": ~is_new,
                **{f"{name}_items": tiers == tier for tier, name in enumerate(TIERS)},
            },
        )

    def figures(self, k: int) -> dict[str, float]:
        """Hit-rate and MRR at k of every segment, with the number of its queries; intervals of both over all.

        A segment without queries has its number alone; without enough users there are no intervals.
        """
        out: dict[str, float] = {}
        for metric, values in self.values(k).items():
            interval = spread(self.user, values)
            if not np.isnan(interval.low):
                out |= {f"{metric}_low@{k}": interval.low, f"{metric}_high@{k}": interval.high}
        for name, inside in self.segments.items():
            out[f"queries_{name}"] = int(inside.sum())
            if inside.any():
                hr, mrr, _ = means(self.rank[inside, None], k)[0].tolist()
                out |= {f"hr_{name}@{k}": hr, f"mrr_{name}@{k}": mrr}
        return out

    def values(self, k: int) -> dict[str, NDArray[np.float64]]:
        """By metric, float64 [q], what each query adds to its mean."""
        hits = (self.rank > 0) & (self.rank <= k)
        return {"hr": hits.astype(np.float64), "mrr": np.where(hits, 1.0 / np.maximum(self.rank, 1), 0.0)}

    def table(self, run: str) -> pl.DataFrame:
        """As it is kept in a file, for `compare`; `run` tells the runs of one command apart."""
        columns = {"run": [run] * len(self.rank), "place": self.place, "user": self.user, "rank": self.rank}
        return pl.DataFrame(columns, schema=SCHEMA)


def spread(user: NDArray[np.uint64], values: NDArray[np.float64]) -> Interval:
    """Of the mean of values [q], by drawing users again and again (percentile bootstrap; the same on every call).

    Users are drawn, not queries: those of one user are alike. Efron and Tibshirani, "An Introduction to the Bootstrap",
    1993, section 13.3.
    """
    sums, counts = by_unit(user, values)
    if len(sums) < LEAST_USERS:
        return Interval(np.nan, np.nan)
    found = stats.bootstrap(
        (sums, counts),
        _ratio,
        paired=True,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=max(1, _BATCH_CELLS // len(sums)),
        confidence_level=_CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def by_unit(
    user: NDArray[np.uint64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the values of each user, or group of users."""
    _, units = np.unique(user, return_inverse=True)
    units = units % _UNITS
    sums: NDArray[np.float64] = np.bincount(units, values).astype(np.float64)
    return sums, np.bincount(units).astype(np.float64)


def _ratio(sums: NDArray[np.float64], counts: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = sums.sum(axis) / counts.sum(axis)
    return found


def ranks_file(json_file: Path) -> Path:
    """Where the outcomes of a JSON file of figures are kept."""
    return json_file.with_suffix(".ranks.parquet")


def write_ranks(json_file: Path, tables: Sequence[pl.DataFrame]) -> None:
    """Keep the outcomes of all runs beside the JSON file of their figures."""
    pl.concat(tables).write_parquet(ranks_file(json_file))
