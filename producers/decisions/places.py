"""Where each key and value stands in a TOML text: tomllib checks and reads it, and forgets the places.

A scanner of texts that tomllib has accepted: it does not check again.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from typing import NamedTuple

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]\}\n#]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2}(?!"))|\'\'\'.*?\'\'\'(?:\'{0,2}(?!\'))|"(?:\\.|[^"\\])*"|\'[^\']*\'',
    re.DOTALL,
)


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class Places:
    """Places in a TOML text.

    Args:
        text: valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._keys: dict[Path, int] = {}
        self._values: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        self._document()

    def key(self, path: Path) -> Place:
        """Of a key; of what stands around it if the text has no such key."""
        return self._place(self._nearest(self._keys, path))

    def value(self, path: Path, at: int = 0) -> Place:
        """Of a value, and so many characters into a text; of what stands around it if the text has no such value."""
        start = self._nearest(self._values, path)
        if path in self._values and at:
            quotes = 3 if self._text[start : start + 3] in ('"""', "'''") else 1
            start += quotes + at + (self._text[start + quotes : start + quotes + 1] == "\n" and quotes == 3)
        return self._place(start)

    def _nearest(self, places: dict[Path, int], path: Path) -> int:
        while path and path not in places:
            path = path[:-1]
        return places.get(path, 0)

    def _place(self, at: int) -> Place:
        before = self._text[:at]
        return Place(before.count("\n") + 1, at - before.rfind("\n"))

    def _document(self) -> None:
        path: Path = ()
        while not self._ended():
            start = self._at
            if self._text.startswith("[[", start):
                self._at += 2
                path = self._array_entry(self._name())
                self._at = self._text.index("]]", self._at) + 2
            elif self._text.startswith("[", start):
                self._at += 1
                path = self._resolved(self._name())
                self._at = self._text.index("]", self._at) + 1
            else:
                self._pair(path)
                continue
            self._keys[path] = self._values[path] = start

    def _ended(self) -> bool:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._at >= len(self._text)

    def _array_entry(self, name: Path) -> Path:
        path = (*self._resolved(name[:-1]), name[-1])
        self._counts[path] = self._counts.get(path, -1) + 1
        return (*path, self._counts[path])

    def _resolved(self, name: Path) -> Path:
        """A table's path, through the last entries of arrays of tables."""
        path: Path = ()
        for part in name:
            path = (*path, part)
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _name(self) -> Path:
        """A key, dotted or not; ends at what follows it."""
        parts: list[str] = []
        while True:
            self._ended()
            quoted = _STRING.match(self._text, self._at)
            found = quoted or _BARE.match(self._text, self._at)
            assert found is not None, "tomllib has accepted it"
            parts.append(tomllib.loads(f"k = {found[0]}")["k"] if quoted else found[0])
            self._at = found.end()
            self._ended()
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _pair(self, table: Path) -> None:
        start = self._at
        path = (*table, *self._name())
        self._keys[path] = start
        self._at += 1  # the equals sign
        self._ended()
        self._value(path)

    def _value(self, path: Path) -> None:
        self._values[path] = self._at
        if self._text[self._at] == "[":
            self._within("]", lambda n: self._value((*path, n)))
        elif self._text[self._at] == "{":
            self._within("}", lambda _: self._pair(path))
        else:
            found = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            self._at = found.end() if found else self._at + 1

    def _within(self, end: str, read: Callable[[int], None]) -> None:
        """Entries with commas between them, up to a bracket."""
        self._at += 1
        n = 0
        while not self._ended() and self._text[self._at] != end:
            if self._text[self._at] == ",":
                self._at += 1
                continue
            read(n)
            n += 1
        self._at += 1
