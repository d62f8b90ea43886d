"""Two runs on the same queries: is the difference more than chance? `evaluate --compare A.json B.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from scipy import stats

from stream_rec.errors import ConfigError
from stream_rec.offline.evaluate.outcomes import LEAST_USERS, Interval, Outcomes, by_unit, ranks_file, spread

_LEVEL = 0.05
_WRITE_IT = "write it anew: stream-rec evaluate --data ... --json "
_TITLES = {"hr": "hit-rate", "mrr": "MRR"}


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one metric, B minus A, over the same queries.

    Attributes:
        metric: `hr` or `mrr`.
        first, second: of A and of B.
        interval: of the difference, by drawing users; nan = too few.
        p: two-sided, of a paired t-test over users; nan = too few, or nothing differs.
    """

    metric: str
    first: float
    second: float
    interval: Interval
    p: float

    @property
    def value(self) -> float:
        """B minus A."""
        return self.second - self.first

    @property
    def word(self) -> str:
        """What it comes to."""
        if np.isnan(self.p):
            return "the same" if self.value == 0.0 else "too few users"
        if self.p >= _LEVEL:
            return "chance may do that"
        return "B is better" if self.value > 0 else "A is better"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of the run of one JSON file with that of another.

    Attributes:
        k: cut-off.
        n_queries, n_users: that both were asked.
        differences: by metric.
    """

    k: int
    n_queries: int
    n_users: int
    differences: tuple[Difference, ...]

    def flat(self) -> dict[str, Any]:
        """Every figure; null = it cannot be said."""
        out: dict[str, Any] = {"k": self.k, "queries": self.n_queries, "users": self.n_users}
        for each in self.differences:
            name = f"{each.metric}@{self.k}"
            out |= {
                f"first_{name}": each.first,
                f"second_{name}": each.second,
                f"difference_{name}": each.value,
            }
            bounds = {"low": each.interval.low, "high": each.interval.high, "p": each.p}
            out |= {f"{bound}_{name}": None if np.isnan(value) else value for bound, value in bounds.items()}
        return out

    def report(self) -> RenderableType:
        """For people."""
        table = Table()
        table.add_column(f"at {self.k}, %")
        for column in ("A", "B", "B - A", "95 %", "p"):
            table.add_column(column, justify="right")
        table.add_column("")
        for each in self.differences:
            low, high = (100 * bound for bound in each.interval)
            table.add_row(
                _TITLES[each.metric],
                f"{100 * each.first:.2f}",
                f"{100 * each.second:.2f}",
                f"{100 * each.value:+.2f}",
                "-" if np.isnan(low) else f"{low:+.2f} to {high:+.2f}",
                "-" if np.isnan(each.p) else f"{each.p:.2g}",
                each.word,
            )
        return Group(
            f"{self.n_queries:,} queries of {self.n_users:,} users, asked by both",
            table,
            "p: paired t-test over users",
        )


def compare(first: Path, second: Path) -> Comparison:
    """Compare two runs by what they wrote.

    Args:
        first: JSON file of `evaluate --json`; its ranks are beside it.
        second: another one.

    Raises:
        ConfigError: a file is missing or none of evaluate's, or the runs were not asked the same.
    """
    one, other = _figures(first), _figures(second)
    if one["k"] != other["k"]:
        raise ConfigError(
            f"{first} is of slates of {one['k']}, {second} of {other['k']}",
            fix="evaluate both with the same --k",
        )
    a, b = _ranks(first), _ranks(second)
    both = a.join(b, on=["run", "place", "user"], how="inner", suffix="_b").filter(pl.col("run") == "")
    n_a, n_b = (int((each["run"] == "").sum()) for each in (a, b))
    if not len(both) == n_a == n_b:
        raise ConfigError(
            f"the runs were asked differently: {n_a:,} queries in {first}, {n_b:,} in {second}, {len(both):,} in both",
            fix="evaluate the same log by the same protocol and with the same options of what is asked",
        )
    k, user = int(one["k"]), both["user"].to_numpy()
    values = [Outcomes(user, user, both[name].to_numpy(), {}).values(k) for name in ("rank", "rank_b")]
    differences = tuple(
        _difference(metric, user, values[0][metric], values[1][metric]) for metric in values[0]
    )
    return Comparison(k, len(both), int(np.unique(user).size), differences)


def _difference(
    metric: str, user: NDArray[np.uint64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> Difference:
    sums, _ = by_unit(user, second - first)
    p = np.nan
    if len(sums) >= LEAST_USERS and sums.any():
        p = float(stats.ttest_1samp(sums, 0.0).pvalue)
    return Difference(metric, float(first.mean()), float(second.mean()), spread(user, second - first), p)


def _figures(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", fix=f"{_WRITE_IT}{path}") from error
    if not isinstance(found, dict) or not isinstance(found.get("k"), int):
        raise ConfigError(f"{path} has no figures of evaluate", fix=f"{_WRITE_IT}{path}")
    return found


def _ranks(path: Path) -> pl.DataFrame:
    beside = ranks_file(path)
    try:
        return pl.read_parquet(beside)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(
            f"{beside}, the ranks that belong to {path}, cannot be read: {error}", fix=f"{_WRITE_IT}{path}"
        ) from error
