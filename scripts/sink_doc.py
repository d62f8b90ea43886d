"""Writes the tables of columns into docs/sink.md; `--check` only says whether they are stale."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import polars as pl
from generated import DOCS, renew

from stream_rec.sink.tables import LOG_COLUMNS, TABLES, Column


def tables() -> str:
    """Markdown: a table of columns for each topic, then those of all."""
    lines: list[str] = []
    for topic, table in TABLES.items():
        lines += [f"### {topic}", *_rows(table.columns), ""]
    return "\n".join([*lines, "### In every file", *_rows(LOG_COLUMNS)]) + "\n"


def _rows(columns: tuple[Column, ...]) -> Iterator[str]:
    yield "| column | type | |"
    yield "|---|---|---|"
    for column in columns:
        yield f"| `{column.name}` | {_type(column.dtype)} | {column.text} |"


def _type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"list of {_type(dtype.inner)}"
    if isinstance(dtype, pl.Struct):
        return "(" + ", ".join(f"{field.name} {_type(field.dtype)}" for field in dtype.fields) + ")"
    if isinstance(dtype, pl.Datetime):
        return f"timestamp ({dtype.time_unit}, UTC)"
    return str(dtype).lower()


if __name__ == "__main__":
    sys.exit(renew(DOCS / "sink.md", "columns", tables()))
