"""Mistakes in what people decide: where each is, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

Path = tuple[str | int, ...]
"""Of a field, as on the wire: `("boosts", 0, "factor")`."""

_AT = re.compile(r"^(?P<said>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")


class Fault(NamedTuple):
    """One mistake.

    Attributes:
        path: where; empty = the whole.
        said: what is wrong.
        fix: what to write instead; empty = nothing comes to mind.
        at: characters from the beginning of the field's text to the mistake; of expressions.
    """

    path: Path
    said: str
    fix: str = ""
    at: int = 0

    def __str__(self) -> str:
        """The place, the mistake, the fix."""
        where = f"{dotted(self.path)}: " if self.path else ""
        return f"{where}{self.said}{f' ({self.fix})' if self.fix else ''}"


class BadBody(ValueError):
    """What a decision says has mistakes.

    Args:
        faults: at least one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


def dotted(path: Path) -> str:
    """`boosts[0].factor`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A suggestion for a word that is none of the known ones; else all of them, if they are few."""
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"one of {', '.join(known)}" if len(known) <= 24 else ""


def of_type(error: msgspec.ValidationError, kind_at: Callable[[Path], type[msgspec.Struct]]) -> Fault:
    """What msgspec refused.

    Args:
        error: its error.
        kind_at: the struct whose fields may stand at a path.
    """
    found = _AT.match(str(error))
    said, path = (found["said"], _path(found["path"] or "")) if found else (str(error), ())
    if unknown := _UNKNOWN_FIELD.match(said):
        name = unknown["name"]
        fields = [field.encode_name for field in msgspec.structs.fields(kind_at(path))]
        return Fault((*path, name), f"no field is called {name!r}", did_you_mean(name, fields))
    return Fault(path, said.replace("`", "'"))


def between(path: Path, value: float, least: float, most: float) -> list[Fault]:
    """A number that must be from `least` to `most`: its fault, if it is not."""
    return [] if least <= value <= most else [Fault(path, f"it is {value!r}", f"from {least:g} to {most:g}")]


def too_many(name: str, bound: int) -> Fault:
    """A list with more entries than `bound`."""
    return Fault((name,), f"more than {bound} entries", f"{bound} at most")


def _path(text: str) -> Path:
    return tuple(name or int(index) for name, index in _STEP.findall(text.removeprefix("$")))
