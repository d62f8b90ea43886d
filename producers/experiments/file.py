"""Experiments in TOML files, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from stream_rec.producers.decisions import tables
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.experiment_check import BadExperiment, draft_of
from stream_rec.schemas.faults import Fault, did_you_mean
from stream_rec.sources.features import SWITCHES


def draft(body: Mapping[str, Any]) -> Experiment:
    """An experiment as people write it: as `draft_of`; the sources of arms are those of this release.

    Raises:
        BadExperiment: as there.
    """
    experiment = draft_of(body)
    unknown = [
        Fault(("arms", i, "sources", j), f"no source is called {name!r}", did_you_mean(name, SWITCHES))
        for i, arm in enumerate(experiment.arms)
        for j, name in enumerate(arm.sources)
        if name not in SWITCHES
    ]
    if unknown:
        raise BadExperiment(unknown)
    return experiment


_KIND = tables.Kind(
    "experiment",
    "blue-button",
    '[blue-button], then arms = [{name = "control"}, ...]',
    "docs/trials.md",
    draft,
)
as_toml = tables.as_toml


def read_file(path: Path) -> dict[str, Experiment]:
    """The experiments of a file, by name.

    Raises:
        ConfigError: it cannot be read, or what it says is wrong: every mistake with line, column and what was meant.
    """
    return tables.read_file(path, _KIND)


def changes(before: Experiment | None, after: Experiment) -> Iterator[str]:
    """What differs, a line for each field; nothing if they say the same."""
    if before is None:
        yield "it is new"
    old, new = (msgspec.to_builtins(each or Experiment(())) for each in (before, after))
    yield from tables.differences(old, new, msgspec.to_builtins(_WithDefaults(())))


class _WithDefaults(Experiment, frozen=True, omit_defaults=False):
    """An experiment that says its defaults, too."""
