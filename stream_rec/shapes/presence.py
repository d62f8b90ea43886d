"""Which names of a shape's paths stand in somebody's records, and which in none: most likely a slip of the pen."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from stream_rec.errors import ContractError
from stream_rec.settings.shapes import OUTPUTS, ShapeSettings
from stream_rec.shapes import nodes, values
from stream_rec.shapes.framing import unwrap
from stream_rec.shapes.mapper import Mapper
from stream_rec.shapes.messages import RawMessage, Refused
from stream_rec.shapes.nodes import Header, Member, Node, shown
from stream_rec.shapes.outputs import parsed

MAX_NAMES = 1_000
"""Names beside a missing one that are kept, to suggest one of them."""
MAX_LOOKED_AT = 100_000
"""Records that are looked at for a name; what stands in none of them is missing."""
_NEAR = 0.6
_SHOWN = 12

Name = Member | Header


class Absent(NamedTuple):
    """A name that no record has.

    Attributes:
        field: whose path names it: `events.user_id`.
        path: as it stands there.
        near: the name that was probably meant; empty = none is like it.
        is_excused: does the path go on without it (`||`)?
    """

    field: str
    path: str
    near: str
    is_excused: bool

    @property
    def meant(self) -> str:
        """The suggestion, for the end of a sentence; empty = there is none."""
        return f" (did you mean {self.near}?)" if self.near else ""


def own_paths(declared: ShapeSettings, name: str) -> dict[str, Node]:
    """By `events.FIELD` and so on, what a shape names itself: a preset's paths fit many forms, and some are missing.

    Args:
        declared: before its preset is added.
        name: of the shape, for errors.

    Raises:
        ConfigError: a path cannot be read.
    """
    return {
        f"{kind}.{field}": parsed(kind, field, text, f"shapes.{name}")
        for kind in OUTPUTS
        for field, text in getattr(declared, kind).items()
        if text
    }


def absent_from(paths: Mapping[str, Node], missing: Mapping[Name, Collection[str]]) -> list[Absent]:
    """What paths lack, one entry for each field and name.

    Args:
        paths: by field.
        missing: names that no record has, with those that stand in their place.
    """
    found: list[Absent] = []
    for field, path in paths.items():
        for node, is_excused in dict(_lacks(path, missing.keys())).items():
            if not (isinstance(node, Member) and node.base in missing):
                found.append(Absent(field, shown(node), _meant(node, missing[node]), is_excused))
    return found


def _lacks(node: Node, missing: Set[Name]) -> Iterator[tuple[Name, bool]]:
    """The missing names, and whether another option of a `||` stands in for each."""
    if isinstance(node, nodes.Either):
        lacking = [list(_lacks(option, missing)) for option in node.options]
        is_one_there = any(all(is_excused for _, is_excused in each) for each in lacking)
        for name, is_excused in (one for each in lacking for one in each):
            yield name, is_excused or is_one_there
        return
    for child in nodes.children(node):
        yield from _lacks(child, missing)
    if isinstance(node, Member | Header) and node in missing:
        yield node, False


def _meant(node: Name, there: Iterable[str]) -> str:
    """The path with the likest of the names that are there."""
    by_small = {each.lower(): each for each in there}
    like = difflib.get_close_matches(node.name.lower(), by_small, 1, _NEAR)
    return shown(dataclasses.replace(node, name=by_small[like[0]])) if like else ""


def listed(names: Collection[str]) -> str:
    """The first names, for people."""
    return ", ".join(list(names)[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


class Presence:
    """Looks at records for the names of paths. Bounded in memory and in records.

    Args:
        paths: by field.
        framing: of the shape: what stands around the record.

    Attributes:
        n: records that were looked at, at most `MAX_LOOKED_AT`.
    """

    def __init__(self, paths: Mapping[str, Node], framing: str) -> None:
        self._paths, self._framing = paths, framing
        found = [node for path in paths.values() for node in nodes.walk(path)]
        self._missing: dict[Name, set[str]] = {
            node: set() for node in found if isinstance(node, Member | Header)
        }
        self.n = 0

    def leave_columns(self) -> None:
        """Columns are known, and looked at already: only what stands inside of them is left to look for."""
        self._missing = {
            node: beside
            for node, beside in self._missing.items()
            if not (isinstance(node, Member) and isinstance(node.base, nodes.Root))
        }

    @property
    def is_looking(self) -> bool:
        """Is there a name that was not seen yet, and were not too many records looked at?"""
        return bool(self._missing) and self.n < MAX_LOOKED_AT

    def look(self, body: Any, message: RawMessage) -> None:
        """At one record, decoded, its frame around it."""
        if not self.is_looking or not isinstance(body, Mapping | list):
            return
        self.n += 1
        unframed = unwrap(self._framing, body, message)
        if isinstance(unframed, Refused):
            return
        here = _Here(unframed.body, message, unframed.envelope)
        for node, beside in list(self._missing.items()):
            if here.has(node, beside):
                del self._missing[node]

    def look_at_message(self, mapper: Mapper, message: RawMessage) -> None:
        """At a message, as `mapper` decodes it; one that cannot be decoded says nothing of names."""
        try:
            documents = mapper.documents(message) if message.value else []
        except ContractError:
            return
        for document in documents:
            self.look(document, message)

    def absent(self) -> list[Absent]:
        """The names that no record has had."""
        return absent_from(self._paths, self._missing) if self.n else []

    def told(self) -> list[str]:
        """The same, for people."""
        return [
            f"{one.field}: none of the {self.n:,} records has {one.path}{one.meant}" for one in self.absent()
        ]


class _Here(NamedTuple):
    """One record."""

    body: Any
    message: RawMessage
    envelope: Any

    def has(self, node: Name, beside: set[str]) -> bool:
        """Is the name there? Else the names that stand in its place are added."""
        if isinstance(node, Header):
            there: Iterable[Mapping[str, Any]] = (self.message.headers,)
        else:
            there = (base for base in self._values(node.base) if isinstance(base, Mapping))
        for base in there:
            if node.name in base:
                return True
            if len(beside) < MAX_NAMES:
                beside.update(map(str, base))
        return False

    def _values(self, node: Node) -> list[Any]:
        """All that a path may be, its conditions aside."""
        match node:
            case nodes.Root():
                return [self.body]
            case nodes.Meta("key"):
                return [values.decoded(values.text_of(self.message.key))]
            case nodes.Meta("value"):
                return [values.decoded(values.text_of(self.message.value))]
            case nodes.Meta("envelope"):
                return [self.envelope]
            case Header(name):
                return [values.decoded(values.text_of(self.message.headers.get(name)))]
            case Member(base, name):
                return [one[name] for one in self._values(base) if isinstance(one, Mapping) and name in one]
            case nodes.Each(base):
                return [one for each in self._values(base) for one in values.elements(each)]
            case nodes.Place(base, at):
                return [values.place(each, at) for each in self._values(base)]
            case nodes.Named(base, name, value):
                return [values.named(each, name, value) for each in self._values(base)]
            case nodes.Call("json", (inner,)):
                return [values.decoded(each) for each in self._values(inner)]
            case nodes.Either(options):
                return [one for option in options for one in self._values(option)]
            case _:
                return []
