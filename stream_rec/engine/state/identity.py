"""What an engine is, beside what it has learned: what decides whether it can go on from another one's state."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata
from typing import Any

import msgspec
from llvmlite import binding
from pydantic import BaseModel

from stream_rec.settings import EngineSettings, MeasureSettings
from stream_rec.sources.popularity import n_top

STATE_VERSION = 1
"""Of the meaning of the arrays; to be raised when code gives an array of the same form another meaning."""
_FORM = (
    "max_users",
    "max_items",
    "history_length",
    "ring_length",
    "n_factors",
    "max_spaces",
    "vector_width",
    "repeat_window",
    "river_sources",
)
_LEARNING = (
    "seed",
    "max_hidden",
    "max_windows",
    "max_texts",
    "session_gap_seconds",
    "train_sample",
    "train_first",
    "event_types",
    "max_blocked",
    "max_blocked_per_user",
    "max_undoable",
    "index_refresh_events",
    "exact_below_items",
    "repeat_partitions",
    "content",
)
_MEASURE_FORM = (
    "window_seconds",
    "max_open_impressions",
    "max_open_places",
    "max_recent_interactions",
    "max_outcome_cells",
)
_MEASURE_LEARNING = ("attribution_window_seconds",)
_TOP = "items in lists of the heaviest"
FITTED = frozenset({"engine.max_users", "engine.max_items", "engine.repeat_window", _TOP})
"""Of the form: what may differ if what was learned has room in the new bounds (`refit`)."""
_LIBRARIES = ("stream-rec", "numpy", "numba", "faiss-cpu")


class Identity(msgspec.Struct, frozen=True):
    """What an engine is, beside what it has learned.

    Attributes:
        form: settings that give the state its form and meaning: engines with others cannot take it over, but for those
            of `FITTED`; with other ones of `measure` they take over all but the join of impressions.
        learning: other settings that it is learned with: engines with others go on from it in their own way.
        made_on: CPU and versions of libraries: on others the same events may give other last bits.
    """

    form: dict[str, Any]
    learning: dict[str, Any]
    made_on: dict[str, str]


def identity(engine: EngineSettings, measure: MeasureSettings) -> Identity:
    """Of an engine with these settings, in this process."""
    form = {f"engine.{name}": _plain(getattr(engine, name)) for name in _FORM}
    form |= {f"measure.{name}": _plain(getattr(measure, name)) for name in _MEASURE_FORM}
    learning = {f"engine.{name}": _plain(getattr(engine, name)) for name in _LEARNING}
    learning |= {f"measure.{name}": _plain(getattr(measure, name)) for name in _MEASURE_LEARNING}
    longest = max(scenario.k for scenario in engine.scenarios.values())
    return Identity(
        form=form | {"state version": STATE_VERSION, _TOP: n_top(longest)},
        learning=learning,
        made_on=dict(_made_on()),
    )


@cache
def _made_on() -> dict[str, str]:
    """Reading what packages say of themselves takes milliseconds."""
    versions = {name: metadata.version(name) for name in _LIBRARIES}
    return {"cpu": f"{platform.machine()} {binding.get_host_cpu_name()}", **versions}


def _plain(value: object) -> object:
    """As it comes back from JSON."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value
