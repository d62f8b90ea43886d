"""Which preset data is of: by names of fields, headers, or the form of its first line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stream_rec.shapes.presets import Preset, presets

OWN = 100
"""By so much every other preset goes before our own: a field `user_id` says little."""
MAX_LINE = 4096
"""Characters of a line that are looked at."""


def of_object(sample: Mapping[str, Any], among: Sequence[str] | None = None) -> str | None:
    """The preset of an object, by its fields: the one with most of its own.

    Args:
        sample: a decoded message or row.
        among: names of presets; None = all.
    """
    best: tuple[int, str] | None = None
    for preset in _among(among):
        terms = [*preset.recognise.get("all", ()), *preset.recognise.get("header", ())]
        wanted = preset.recognise.get("values", {})
        fits = bool(terms) and all(_has(sample, term) for term in terms)
        fits = fits and all(sample.get(name) in values for name, values in wanted.items())
        if preset.recognise.get("exact") and set(sample) - {"context"} != set(terms):
            fits = False
        weight = len(terms) + len(wanted) - OWN * (preset.name == "native")
        if fits and (best is None or weight > best[0]):
            best = (weight, preset.name)
    return best[1] if best else None


def of_line(line: str) -> str | None:
    """The preset of a file without names, by its first line."""
    for preset in presets().values():
        pattern = preset.recognise.get("line")
        if pattern and re.search(pattern, line[:MAX_LINE]):
            return preset.name
    columns = line.count("\t") + 1
    return next((one.name for one in presets().values() if one.recognise.get("columns") == columns), None)


def of_headers(headers: Mapping[str, bytes]) -> str | None:
    """The preset of a message, by its headers."""
    for preset in presets().values():
        wanted = preset.recognise.get("headers")
        if wanted and all(name in headers for name in wanted):
            return preset.name
    return None


def _among(names: Sequence[str] | None) -> list[Preset]:
    return [preset for preset in presets().values() if names is None or preset.name in names]


def _has(sample: Mapping[str, Any], term: str) -> bool:
    """`a|b` = one of them, `a&b` = both; names may have dots, and `[]` for a list's first element."""
    return any(all(_find(sample, name) for name in option.split("&")) for option in term.split("|"))


def _find(sample: Any, name: str) -> bool:
    if isinstance(sample, Mapping) and name in sample:
        return True
    for part in name.split("."):
        member = part.removesuffix("[]")
        if not isinstance(sample, Mapping) or member not in sample:
            return False
        sample = sample[member]
        if member != part:
            if not isinstance(sample, list) or not sample:
                return False
            sample = sample[0]
    return True
