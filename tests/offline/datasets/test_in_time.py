"""Logs in order of time, in memory and through files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stream_rec.offline.datasets.files import FileSource
from stream_rec.offline.datasets.in_time import SortedSource, disorder


@pytest.fixture
def log(tmp_path: Path) -> FileSource:
    """1,000 events in a random order, some at the same time."""
    ts = np.random.default_rng(1).integers(1_700_000_000, 1_700_000_300, 1000)
    rows = [f"u{n},i{n},{at}" for n, at in enumerate(ts)]
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,ts\n" + "\n".join(rows))
    return FileSource(path)


@pytest.mark.parametrize("run_rows", [10_000, 300, 7])
def test_events_come_in_order_of_time_and_those_of_one_time_in_the_logs(
    log: FileSource, run_rows: int
) -> None:
    chunks = list(SortedSource(log, run_rows).chunks())
    found = pl.concat([chunk.log for chunk in chunks])
    expected = pl.concat([chunk.log for chunk in log.chunks()]).sort("ts", maintain_order=True)
    assert found.equals(expected)
    assert [chunk.first for chunk in chunks] == np.cumsum(
        [0, *(len(chunk.log) for chunk in chunks[:-1])]
    ).tolist()


def test_it_can_be_read_from_any_position_on(log: FileSource) -> None:
    source = SortedSource(log, 300)
    whole = pl.concat([chunk.log for chunk in source.chunks()])
    for start in (0, 299, 300, 999, 1000):
        found = [chunk.log for chunk in source.chunks(start)]
        assert (pl.concat(found) if found else whole[:0]).equals(whole[start:])


def test_minutes_of_disorder_are_a_live_logs_and_hours_are_not(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for late, is_wrong in ((300, False), (7200, True)):
        path.write_text(f"user_id,item_id,ts\na,x,1700000000\nb,y,{1700000000 - late}\n")
        assert bool(disorder(FileSource(path))) is is_wrong
