"""Order of time: a log that has it not is sorted, or refused."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from stream_rec.offline.datasets.faults import Faults
from stream_rec.offline.datasets.files import Beside, Chunk, Source
from stream_rec.offline.datasets.rows import LOG_SCHEMA, good_rows
from stream_rec.schemas.records import Impression, Item
from stream_rec.shapes.messages import Removed

SLACK_SECONDS = 3600.0
"""A live log is never in order to the second: an event this much before the latest is still in its place."""
MAX_SHARE = 0.001
_NO_TIMES: NDArray[np.float64] = np.zeros(0)
_ALL = (-np.inf, np.inf)
_encode = msgspec.json.Encoder().encode
_DECODE: dict[str, Callable[[bytes], Item | Impression | Removed]] = {
    "Item": msgspec.json.Decoder(Item).decode,
    "Impression": msgspec.json.Decoder(Impression).decode,
    "Removed": msgspec.json.Decoder(Removed).decode,
}
RUN_ROWS = 2_000_000
"""Rows that are sorted in memory; more of them go through files."""


@dataclass(frozen=True, slots=True)
class SortedSource:
    """The events of a log in order of time; those of one time in the log's order. A `Source`.

    Its items come before all of them, an impression before the events of its time.

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
            shelf = _Shelf(Path(folder))
            n_runs, n_rows, sample, faults = self._write(Path(folder), shelf)
            if not n_rows:
                yield Chunk(
                    0, pl.DataFrame(schema=LOG_SCHEMA), 1.0, 0.0, faults, shelf.among(0, _NO_TIMES, _ALL)
                )
                return
            bounds = _bounds(sample, n_rows, self.run_rows)
            first, done = 0, 0.0
            for low, high in pairwise(bounds):
                span = (pl.col("ts") >= low) & (pl.col("ts") < high)
                runs = [pl.scan_parquet(Path(folder) / f"{n}.parquet").filter(span) for n in range(n_runs)]
                frame = pl.concat(runs).collect().sort("ts", maintain_order=True)
                skip = min(max(0, start - first), len(frame))
                times = frame["ts"].to_numpy()
                beside = [one for one in shelf.among(first, times, (low, high)) if one.position >= start]
                if skip < len(frame) or beside:
                    fraction = min(1.0, (first + len(frame)) / n_rows)
                    yield Chunk(first + skip, frame[skip:], fraction, done, faults, beside)
                    faults = Faults()
                first += len(frame)
                done = first / n_rows

    def _write(self, folder: Path, shelf: _Shelf) -> tuple[int, int, NDArray[np.float64], Faults]:
        """The log as files of some rows; a sample of its times."""
        held: list[pl.DataFrame] = []
        sample: list[NDArray[np.float64]] = []
        faults, n_runs, n_held, n_rows = Faults(), 0, 0, 0
        for chunk in self.source.chunks():
            faults.take(chunk.faults)
            shelf.put(chunk.beside)
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


class _Shelf:
    """Items and impressions of a log, kept in files and given back by time.

    Args:
        folder: takes the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._n = 0

    def put(self, beside: Sequence[Beside]) -> None:
        """Keep some."""
        if not beside:
            return
        records = [one.record for one in beside]
        pl.DataFrame(
            {
                "ts": [one.ts if isinstance(one, Impression) else -np.inf for one in records],
                "kind": [type(one).__name__ for one in records],
                "raw": [_encode(one) for one in records],
            },
            schema={"ts": pl.Float64, "kind": pl.String, "raw": pl.Binary},
        ).write_parquet(self._folder / f"beside-{self._n}.parquet")
        self._n += 1

    def among(self, first: int, times: NDArray[np.float64], span: tuple[float, float]) -> list[Beside]:
        """Those of a span of time, each before the first event that is not earlier.

        Args:
            first: position of the first event.
            times: float64 [n], of the span's events, ascending.
            span: its begin, and its end, which is outside.
        """
        if not self._n:
            return []
        within = (pl.col("ts") >= span[0]) & (pl.col("ts") < span[1])
        kept = [pl.scan_parquet(self._folder / f"beside-{n}.parquet").filter(within) for n in range(self._n)]
        frame = pl.concat(kept).collect().sort("ts", maintain_order=True)
        at = np.searchsorted(times, frame["ts"].to_numpy(), side="left") + first
        rows = zip(at.tolist(), frame["kind"].to_list(), frame["raw"].to_list(), strict=True)
        return [Beside(position, _DECODE[kind](raw)) for position, kind, raw in rows]


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
