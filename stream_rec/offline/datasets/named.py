"""Logs by name: those that others publish (`published`), and every data set in the folder that the user names.

A folder of a data set of the user's own holds `NAME/events.csv.gz` (or `.csv`, `.jsonl`, `.jsonl.gz`, `.parquet`) and,
where items have titles, `NAME/items.csv`, `.csv.gz` or `.tsv`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets import movielens, published
from stream_rec.offline.datasets.blocks import blocks
from stream_rec.offline.datasets.files import FileSource, Source
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.mapping import ColumnMapping
from stream_rec.offline.datasets.parts import exists
from stream_rec.offline.datasets.reading import Reading, in_order, open_path
from stream_rec.schemas.records import Item
from stream_rec.settings import DATA_VARIABLE, DataSettings

_EVENT_FILES = ("events.csv.gz", "events.csv", "events.jsonl.gz", "events.jsonl", "events.parquet")
_ITEM_FILES = ("items.csv.gz", "items.csv", "items.tsv")
_ID_COLUMNS = ("item_id", "item")
_TITLE_COLUMNS = ("title", "description", "name")
_TAG_COLUMNS = ("genres", "tags")


def names(data: DataSettings) -> list[str]:
    """The data sets that `open_source` knows, sorted."""
    folder = Path(data.folder) if data.folder else None
    there = [path.name for path in folder.iterdir() if _is_there(path)] if folder and folder.is_dir() else []
    with_url = [name for name in data.urls if name in published.PUBLISHED]
    return sorted({movielens.NAME, *there, *with_url})


def open_source(
    name_or_path: str,
    data: DataSettings,
    mapping: ColumnMapping | None = None,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> Source:
    """A log to read.

    Args:
        name_or_path: a data set's name, or a file. A file of that name in the working folder goes first; a folder, a
            pattern, a zip or a tar may stand for files, too.
        data: where named data sets are.
        mapping: columns; None = the usual names.
        reading: by which shape, and in which order.

    Raises:
        ConfigError: neither a file nor a known name, it cannot be read, or cannot be fetched.
    """
    path = Path(name_or_path)
    if path.is_file():
        return open_path(path, mapping or ColumnMapping(), reading)
    if found := _in_folder(name_or_path, data):
        return FileSource(found, mapping or ColumnMapping())
    if name_or_path and exists(path):
        return open_path(path, mapping or ColumnMapping(), reading)
    if there := published.here(name_or_path, data):
        return in_order(published.open_published(name_or_path, there), reading)
    if name_or_path == movielens.NAME:
        return movielens.MovieLens(movielens.fetch())
    if name_or_path in published.PUBLISHED:
        raise published.missing(name_or_path, data)
    raise ConfigError(
        f"{name_or_path!r} is neither a file nor a data set",
        fix=f"name a file or one of {', '.join(names(data))}; more are found in the folder {DATA_VARIABLE}",
    )


def load_columns(
    name_or_path: str,
    data: DataSettings,
    mapping: ColumnMapping | None = None,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> pl.DataFrame:
    """A whole log in memory, in its order: the good rows, in the form of `rows.LOG_SCHEMA`. What is left out is logged.

    Raises:
        ConfigError: as `open_source` and `FileSource.chunks`, or there is no good row.
    """
    return FirstEvents.of(open_source(name_or_path, data, mapping, reading), None).frame


def load_items(name: str, data: DataSettings) -> list[Item]:
    """The catalogue of a data set, with titles and tags; empty if it has none.

    Raises:
        ConfigError: MovieLens cannot be fetched, or the catalogue's file cannot be read.
    """
    path = _in_folder(name, data)
    if path is None:
        is_fetched = name == movielens.NAME and published.here(name, data) is None
        return movielens.MovieLens(movielens.fetch()).items() if is_fetched else []
    found = next((path.parent / file for file in _ITEM_FILES if (path.parent / file).is_file()), None)
    return _items(found) if found else []


def _in_folder(name: str, data: DataSettings) -> Path | None:
    """The file of a named data set; a name is one plain folder name."""
    if not data.folder or Path(name).name != name:
        return None
    found = _events(Path(data.folder) / name)
    return found if found and published.is_own_form(found, name) else None


def _is_there(folder: Path) -> bool:
    return bool(_events(folder)) or (
        folder.name in published.PUBLISHED and folder.is_dir() and any(folder.iterdir())
    )


def _events(folder: Path) -> Path | None:
    return next((folder / file for file in _EVENT_FILES if (folder / file).is_file()), None)


def _items(path: Path) -> list[Item]:
    separator, quote = ("\t", None) if path.suffix == ".tsv" else (",", '"')
    text = b"".join(block.data for block in blocks(path))
    try:
        table = pl.read_csv(text, separator=separator, quote_char=quote, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise ConfigError(
            f"cannot read {path}: {error}", fix="give a table in UTF-8 with a header"
        ) from error
    ids, titles, tags = (_column(table, usual) for usual in (_ID_COLUMNS, _TITLE_COLUMNS, _TAG_COLUMNS))
    years = _column(table, ("year",))
    rows = zip(ids, titles, years, tags, strict=True)
    return [
        movielens.film(item, title and title.strip(), year, words)
        for item, title, year, words in rows
        if item
    ]


def _column(table: pl.DataFrame, usual: tuple[str, ...]) -> list[str | None]:
    name = next((name for name in usual if name in table.columns), None)
    return table[name].to_list() if name else [None] * len(table)
