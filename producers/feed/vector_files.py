"""Vectors out of files: Parquet with a column of ids and one of lists, or a matrix in numpy's format beside its ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stream_rec.errors import ConfigError
from stream_rec.schemas.records import Vector

_CHUNK_ROWS = 8192
_ID_COLUMNS = ("item_id", "item", "id")
_DIGITS = 7
"""As many as a 32-bit float has: more would only make messages longer."""


def read_vectors(path: Path, space: str, ids: Path | None = None) -> Iterator[Vector]:
    """The vectors of a file as records, in its order, in bounded memory.

    Args:
        path: `.parquet`: a column `item_id` (or `item`, `id`) and one of lists of numbers, all equally long;
            `.npy`: a matrix with a row per item.
        space: theirs.
        ids: of a matrix: a text file, the item of each row in a line.

    Raises:
        ConfigError: the file cannot be read, or is neither.
    """
    if path.suffix == ".parquet":
        rows = _parquet(path)
    elif path.suffix == ".npy":
        rows = _matrix(path, ids)
    else:
        raise ConfigError(f"{path} is neither .parquet nor .npy", fix="save the vectors as one of them")
    for item_id, values in rows:
        yield Vector(space, item_id, tuple(float(f"{value:.{_DIGITS}g}") for value in values))


def _parquet(path: Path) -> Iterator[tuple[str, list[float]]]:
    try:
        table = pl.scan_parquet(path)
        schema = table.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"cannot read {path}: {error}", fix="give a Parquet file") from error
    name = next((name for name in _ID_COLUMNS if name in schema), None)
    lists = [column for column, kind in schema.items() if isinstance(kind, pl.List | pl.Array)]
    if name is None or len(lists) != 1:
        raise ConfigError(
            f"{path} has the columns {', '.join(schema.names())}",
            fix=f"it needs one of {', '.join(_ID_COLUMNS)}, and one column of lists of numbers",
        )
    n_rows = int(table.select(pl.len()).collect().item())
    for start in range(0, n_rows, _CHUNK_ROWS):
        chunk = table.select(pl.col(name).cast(pl.String), lists[0]).slice(start, _CHUNK_ROWS).collect()
        for at, (item_id, values) in enumerate(chunk.iter_rows(), start=start):
            if item_id is None or values is None or any(value is None for value in values):
                raise ConfigError(f"{path}: row {at + 1} has no id, or no number", fix="leave such rows out")
            yield item_id, values


def _matrix(path: Path, ids: Path | None) -> Iterator[tuple[str, Any]]:
    if ids is None:
        raise ConfigError(
            f"{path} does not say whose rows it has", fix="name a text file with --ids: an id per line"
        )
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        names = ids.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read {path} with {ids}: {error}", fix="give a matrix and its ids"
        ) from error
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or len(matrix) != len(names):
        raise ConfigError(
            f"{path} holds {matrix.dtype}{list(matrix.shape)}, {ids} {len(names)} ids",
            fix="give a matrix of numbers with a row for each id",
        )
    for item_id, values in zip(names, matrix, strict=True):
        yield item_id, values.tolist()
