"""Vectors out of Parquet files, and of matrices beside their ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stream_rec.errors import ConfigError
from stream_rec.producers.feed.vector_files import read_vectors
from stream_rec.schemas.records import Vector

MATRIX = np.array([[0.1, 2.0], [3.0, -4.5e-8]], np.float32)
WANTED = [Vector("text", "a", (0.1, 2.0)), Vector("text", "7", (3.0, -4.5e-08))]


def test_a_matrix_and_its_ids(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", MATRIX)
    (tmp_path / "ids.txt").write_text("a\n7\n")
    assert list(read_vectors(tmp_path / "v.npy", "text", tmp_path / "ids.txt")) == WANTED


@pytest.mark.parametrize("kind", [pl.List(pl.Float32), pl.Array(pl.Float32, 2)])
def test_parquet_with_lists_or_arrays(tmp_path: Path, kind: pl.DataType) -> None:
    table = pl.DataFrame({"title": ["A", "B"], "item_id": ["a", "7"]})
    table.with_columns(pl.Series("embedding", MATRIX.tolist(), kind)).write_parquet(tmp_path / "v.parquet")
    assert list(read_vectors(tmp_path / "v.parquet", "text")) == WANTED


def test_what_cannot_be_read_says_what_is_needed(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", MATRIX)
    (tmp_path / "ids.txt").write_text("a\n")
    pl.DataFrame({"item_id": ["a"], "n": [1]}).write_parquet(tmp_path / "plain.parquet")
    pl.DataFrame({"item_id": ["a", None], "v": [[1.0], [2.0]]}).write_parquet(tmp_path / "hole.parquet")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    for name, ids, said in (
        ("v.npy", None, "--ids"),
        ("v.npy", "ids.txt", "a row for each id"),
        ("objects.npy", "ids.txt", "Python objects"),
        ("plain.parquet", None, "one column of lists"),
        ("hole.parquet", None, "row 2"),
        ("none.parquet", None, "cannot read"),
        ("v.csv", None, "neither"),
    ):
        with pytest.raises(ConfigError, match=said):
            list(read_vectors(tmp_path / name, "text", tmp_path / ids if ids else None))
