"""Scenarios in TOML files, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from stream_rec.producers.decisions import tables
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_check import scenario_of

_KIND = tables.Kind("scenario", "default", "[home], then k = 12 and so on", "docs/control.md", scenario_of)
as_toml = tables.as_toml


def read_file(path: Path) -> dict[str, Scenario]:
    """The scenarios of a file, by name.

    Raises:
        ConfigError: it cannot be read, or what it says is wrong: every mistake with line, column and what was meant.
    """
    return tables.read_file(path, _KIND)


def read_text(text: str, where: str) -> dict[str, Scenario]:
    """As `read_file`, of its content; `where` names it in errors."""
    return tables.read_text(text, where, _KIND)


def changes(before: Scenario | None, after: Scenario | None) -> Iterator[str]:
    """What differs, a line for each field; nothing if they say the same."""
    if before is None and after is not None:
        yield "it is new"
    if after is None and before is not None:
        yield "it is taken back"
        return
    old, new = (msgspec.to_builtins(each or Scenario()) for each in (before, after))
    yield from tables.differences(old, new, msgspec.to_builtins(_WithDefaults()))


class _WithDefaults(Scenario, frozen=True, omit_defaults=False):
    """A scenario that says its defaults, too."""
