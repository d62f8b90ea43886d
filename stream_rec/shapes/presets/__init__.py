"""Shapes that others use, by name: one TOML file each, checked against samples of the real thing."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from pydantic import ValidationError

from stream_rec.errors import ConfigError
from stream_rec.settings.shapes import OUTPUTS, ShapeSettings

OWN = "native"
"""The preset of our own fields."""
_MAPS = (*OUTPUTS, "types")
MAX_CHAIN = 4
"""Presets that build on presets."""


class Preset(NamedTuple):
    """A shape that is known.

    Attributes:
        name: of its file.
        about: what it reads, in one line.
        shape: as in settings.
        recognise: what messages or files of it have; see `guess`.
        note: what to know of it; empty = nothing.
        refused: why such data can be no interactions; empty = they can.
    """

    name: str
    about: str
    shape: dict[str, Any]
    recognise: dict[str, Any]
    note: str
    refused: str


@cache
def presets() -> dict[str, Preset]:
    """All, by name."""
    found = {}
    for file in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            data = tomllib.loads(file.read_text(encoding="utf-8"))
            name = file.name.removesuffix(".toml")
            found[name] = Preset(
                name, data["about"], data.get("shape", {}), data.get("recognise", {}), data.get("note", ""),
                data.get("refused", ""),
            )  # fmt: skip
    return found


def declared(name: str, shapes: Mapping[str, ShapeSettings]) -> ShapeSettings:
    """The shape of a name: one of the settings', else a preset.

    Raises:
        ConfigError: neither settings nor presets have it.
    """
    if name in shapes:
        return shapes[name]
    if name in presets():
        return ShapeSettings(preset=name)
    known = ", ".join([*shapes, *presets()])
    raise ConfigError(f"there is no shape {name!r}", fix=f"declare [shapes.{name}], or name one of {known}")


def resolve(shape: ShapeSettings, name: str) -> ShapeSettings:
    """The shape with what its preset says, where it says nothing itself; of maps, entry by entry.

    To merge people is for whoever declares the shape to decide: a preset's `merges` hold if `merge` says so, or if
    the shape has a table of its own over them.

    Raises:
        ConfigError: there is no such preset, it cannot be read, or it has no merges that are asked for.
    """
    own = shape.model_dump(exclude_unset=True)
    given = _chained(own, name)
    if not own.get("merge", bool(own.get("merges"))):
        given.pop("merges", None)
    elif not given.get("merges"):
        raise ConfigError(
            f"shapes.{name}: merge = true, and nothing says which ids are of one person",
            fix=f"add [shapes.{name}.merges] with visitor_id and user_id (docs/your-data.md), or leave merge out",
        )
    try:
        return ShapeSettings.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ConfigError(
            f"shapes.{name}.{where}: {problem['msg']}", fix="`stream-rec shape presets` shows shapes"
        ) from None


def merges_of(preset: str) -> Mapping[str, str]:
    """The paths of the merges that a preset has ready; empty = none."""
    found: Mapping[str, str] = _chained({"preset": preset}, preset).get("merges", {})
    return found


def _chained(given: dict[str, Any], name: str) -> dict[str, Any]:
    """A shape over its preset, and that over its own."""
    for _ in range(MAX_CHAIN):
        preset = given.get("preset", "")
        given = {key: value for key, value in given.items() if key != "preset"}
        if not preset:
            break
        given = _over(_known(preset, name).shape, given)
    return given


def _known(preset: str, name: str) -> Preset:
    found = presets().get(preset)
    if found is None:
        known = ", ".join(presets())
        raise ConfigError(f"shapes.{name}: there is no preset {preset!r}", fix=f"name one of {known}")
    if found.refused:
        raise ConfigError(f"{preset}: {found.refused}", fix=found.note or "name other data")
    return found


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    out = {**below, **above}
    for name in _MAPS:
        if name in below and name in above:
            merged = {**below[name], **above[name]}
            out[name] = {key: value for key, value in merged.items() if value != ""}
    return out
