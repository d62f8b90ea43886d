"""Order of time: a log that has it not is sorted, or refused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stream_rec.offline.datasets.faults import Faults
from stream_rec.offline.datasets.files import Chunk, Source
from stream_rec.offline.datasets.rows import LOG_SCHEMA, good_rows

SLACK_SECONDS = 3600.0
"""A live log is never in order to the second: an event this much before the latest is still in its place."""
MAX_SHARE = 0.001
RUN_ROWS = 2_000_000
"""Rows that are sorted in memory; more of them go through files."""


@dataclass(frozen=True, slots=True)
class SortedSource:
    """The events of a log in order of time; those of one time in the log's order. A `Source`.

    Attributes:
        source: the log, of which bad rows are left out.
        run_rows: see `RUN_ROWS`.
    """

    source: Source
    run_rows: int = RUN_ROWS

    @property
    def name(self) -> str:
        """The log's."""
        return self.source.name

    @property
    def identity(self) -> str:
        """The log's, sorted."""
        return f"{self.source.identity}-by-time"

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The events from position `start` on, in chunks of `run_rows` at most.

        What does not fit into memory goes through files in a temporary folder.
        """
        with tempfile.TemporaryDirectory() as folder:
            n_runs, n_rows, sample, faults = self._write(Path(folder))
            if not n_rows:
                yield Chunk(0, pl.DataFrame(schema=LOG_SCHEMA), 1.0, 0.0, faults)
                return
            bounds = _bounds(sample, n_rows, self.run_rows)
            first, done = 0, 0.0
            for low, high in pairwise(bounds):
                span = (pl.col("ts") >= low) & (pl.col("ts") < high)
                runs = [pl.scan_parquet(Path(folder) / f"{n}.parquet").filter(span) for n in range(n_runs)]
                frame = pl.concat(runs).collect().sort("ts", maintain_order=True)
                skip = min(max(0, start - first), len(frame))
                if skip < len(frame):
                    yield Chunk(
                        first + skip, frame[skip:], min(1.0, (first + len(frame)) / n_rows), done, faults
                    )
                    faults = Faults()
                first += len(frame)
                done = first / n_rows

    def _write(self, folder: Path) -> tuple[int, int, NDArray[np.float64], Faults]:
        """The log as files of some rows; a sample of its times."""
        held: list[pl.DataFrame] = []
        sample: list[NDArray[np.float64]] = []
        faults, n_runs, n_held, n_rows = Faults(), 0, 0, 0
        for chunk in self.source.chunks():
            faults.take(chunk.faults)
            frame = good_rows(chunk.log)
            held.append(frame)
            n_held, n_rows = n_held + len(frame), n_rows + len(frame)
            sample.append(frame["ts"].to_numpy()[::100] if len(frame) > 10_000 else frame["ts"].to_numpy())
            if n_held >= self.run_rows:
                pl.concat(held).write_parquet(folder / f"{n_runs}.parquet")
                held, n_held, n_runs = [], 0, n_runs + 1
        if n_held:
            pl.concat(held).write_parquet(folder / f"{n_runs}.parquet")
            n_runs += 1
        return n_runs, n_rows, np.concatenate(sample) if sample else np.zeros(0), faults


def _bounds(sample: NDArray[np.float64], n_rows: int, run_rows: int) -> list[float]:
    n_parts = -(-n_rows // run_rows)
    inner = np.quantile(sample, np.arange(1, n_parts) / n_parts) if n_parts > 1 else np.zeros(0)
    return [-np.inf, *np.unique(inner).tolist(), np.inf]


def disorder(source: Source) -> str:
    """What is wrong with the order of a log's first part; empty = nothing."""
    for chunk in source.chunks():
        ts = good_rows(chunk.log)["ts"].to_numpy()
        if not len(ts):
            continue
        n_late = int((ts < np.maximum.accumulate(ts) - SLACK_SECONDS).sum())
        if n_late > MAX_SHARE * len(ts):
            return (
                f"{source.name} is not in order of time: {n_late:,} of its first {len(ts):,} events lie more than an "
                "hour before one above them"
            )
        return ""
    return ""
