"""How a log is read: by a shape that is named or recognised, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.files import FileSource, Source, file_format
from stream_rec.offline.datasets.guessing import guess_file
from stream_rec.offline.datasets.in_time import SortedSource, disorder
from stream_rec.offline.datasets.mapping import ColumnMapping
from stream_rec.offline.datasets.parts import is_archive
from stream_rec.offline.datasets.recognised import NAMED_SEPARATORS, Look, look, told_separator
from stream_rec.offline.datasets.shaped import ShapedSource
from stream_rec.settings import ShapeSettings
from stream_rec.settings.shapes import NOBODY
from stream_rec.shapes.presets import OWN, declared, presets

Sort = Literal["auto", "time", "none"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the caller says about a log beside its name.

    Attributes:
        shape: name of a declared shape or a preset; empty = a file is looked at, and a preset that fits is taken.
        sort: `time` = in order of time, `none` = in its own, `auto` = sorted where the shape says that it is not,
            refused where its first part is not.
        shapes: those that settings declare.
    """

    shape: str = ""
    sort: Sort = "auto"
    shapes: Mapping[str, ShapeSettings] = field(default_factory=dict)

    def declared(self) -> ShapeSettings:
        """The shape that is named.

        Raises:
            ConfigError: neither settings nor presets have it.
        """
        return declared(self.shape, self.shapes)


def open_path(path: Path, mapping: ColumnMapping, reading: Reading) -> Source:
    """A file, folder, pattern or zip.

    Raises:
        ConfigError: it cannot be read, or is not in order of time.
    """
    if reading.shape:
        return in_order(
            ShapedSource.of(path, _with_value(reading.declared(), mapping), reading.shape), reading
        )
    found = look(path) if replace(mapping, value=None) == ColumnMapping() else Look(None, {})
    settings = found.settings()
    is_plain = path.is_file() and not is_archive(path)
    if found.preset and not (is_plain and settings == {"preset": OWN}):
        about = f"recognised as {found.preset}: {presets()[found.preset].about}"
        logs.get("import").info("; ".join(filter(None, (about, found.remark))), log=path.name)
        shape = ShapeSettings.model_validate(guess_file(path).settings)
        return in_order(ShapedSource.of(path, _with_value(shape, mapping), found.preset), reading)
    if is_plain and mapping == ColumnMapping() and (flagged := _by_flags(path)):
        logs.get("import").info(
            f"events by columns of yes and no: {flagged['events']['event_type']}", log=path.name
        )
        return in_order(ShapedSource.of(path, ShapeSettings.model_validate(flagged), "guessed"), reading)
    if not is_plain:
        raise ConfigError(
            f"{path} is no file, and of no shape that is known", fix=f"`stream-rec shape guess {path}`"
        )
    mapping = _separated(path, mapping)
    return in_order(FileSource(path, replace(mapping, nobody=NOBODY, allow_early=False)), reading)


def _separated(path: Path, mapping: ColumnMapping) -> ColumnMapping:
    """The mapping; of a file whose header has no comma with the separator that it has, which is said."""
    if mapping.separator != "," or file_format(path) != "csv" or ".tsv" in path.suffixes:
        return mapping
    told = told_separator(path, usual=",")
    if told != ",":
        logs.get("import").info(f"columns are separated by {NAMED_SEPARATORS[told]}", log=path.name)
    return replace(mapping, separator=told)


def _by_flags(path: Path) -> dict[str, Any] | None:
    """The shape of a file in which columns such as `clicked` say what was done; None = it is none."""
    try:
        settings = guess_file(path).settings
    except ConfigError:
        return None
    return settings if "when(" in settings.get("events", {}).get("event_type", "") else None


def _with_value(shape: ShapeSettings, mapping: ColumnMapping) -> ShapeSettings:
    """The shape, its value from the column that the caller names."""
    if mapping.value is None:
        return shape
    name = mapping.value.replace('"', '\\"')
    return shape.model_copy(update={"events": {**shape.events, "value": f'"{name}"'}})


def in_order(source: ShapedSource | FileSource, reading: Reading) -> Source:
    """A log as `reading.sort` wants it.

    Raises:
        ConfigError: it is not in order of time, and is to be.
    """
    if reading.sort == "none":
        return source
    if reading.sort == "time":
        return SortedSource(source)
    if isinstance(source, ShapedSource) and not source.shape.sorted:
        logs.get("import").info(
            "is not in order of time by itself, and is sorted (--sort none: as it is)", log=source.name
        )
        return SortedSource(source)
    problem = disorder(source)
    if problem and isinstance(source, ShapedSource):
        raise ConfigError(
            problem, fix="--sort time reads it in order of time; --sort none takes its own order"
        )
    if problem:
        logs.get("import").warning(f"{problem}; --sort time reads it in order of time", log=source.name)
    return source
