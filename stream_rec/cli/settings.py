"""`settings`: every setting, its value, and where the value came from."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides
from stream_rec.cli.text import Column, table, width

_COLUMNS = (Column("setting"), Column("value"), Column("from"), Column("meaning", is_prose=True))
_LONGEST = 24


def settings(
    changed: Annotated[
        bool, typer.Option("--changed", help="only those that are not at their default")
    ] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: JsonFlag = False,
) -> None:
    """Show every setting, its value and where it came from. Secrets are masked."""
    from dataclasses import asdict

    from stream_rec.settings import load
    from stream_rec.settings.table import list_settings

    tree, origins = load(file=config, flags=set_ or ())
    rows = [row for row in list_settings(tree, origins) if not (changed and row.origin == "default")]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    if not rows:
        typer.echo("every setting is at its default", err=True)
        return
    cells = [(row.key, _shown(row.value), row.origin, row.meaning) for row in rows]
    print(*table(_COLUMNS, cells, width(), longest=_LONGEST), sep="\n")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
