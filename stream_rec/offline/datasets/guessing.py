"""What a file of somebody's is, by its first rows."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.guessing_items import guess_items
from stream_rec.offline.datasets.parts import parts
from stream_rec.offline.datasets.recognised import look
from stream_rec.offline.datasets.shaped_columns import ColumnCheck
from stream_rec.offline.datasets.shaped_rows import rows
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.presets import resolve
from stream_rec.shapes.sampling import Guess, of_rows, read_by

SAMPLES = 200


def guess_file(path: Path, n: int = SAMPLES) -> Guess:
    """A shape for a file, folder, pattern or zip: of interactions, or of items, if it is a catalogue.

    Raises:
        ConfigError: it cannot be read, such data can be no interactions, or no field looks like one that is needed.
    """
    found = look(path)
    settings = found.settings()
    shape = resolve(ShapeSettings.model_validate(settings), path.name)
    bodies = first_rows(path, shape, n)
    if not bodies:
        raise ConfigError(f"{path} has no row", fix="name a file that has some")
    try:
        guessed = of_rows(bodies, settings)
    except ConfigError:
        if found.preset or not (items := guess_items(bodies)):
            raise
        guessed = read_by({**settings, "items": items[0]}, bodies)
        guessed.remarks, guessed.unit = items[1], ""
    guessed.remark = found.remark
    return guessed


def first_rows(path: Path, shape: ShapeSettings, n: int, columns: ColumnCheck | None = None) -> list[Any]:
    """The first rows by a shape that is resolved.

    Args:
        path: a file, folder, pattern or archive.
        shape: resolved.
        n: how many.
        columns: holds the shape against the columns; None = they are not known to it.

    Raises:
        ConfigError: it cannot be read, or a path names no column.
    """
    with parts(path, shape.files) as files:
        if columns is not None:
            columns.check(files)
        return list(islice((body for file in files for read in rows(file, shape) for body in read.bodies), n))
