"""A parsed path: the tree that `paths.parse` makes and `generate` turns into Python. Equal trees are equal values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Root:
    """The message's body."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A text or number that stands in the shape."""

    value: str | float


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a message beside its body: one of `paths.METAS`."""

    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """A message's header, as text."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`base.name`; null where the base is no object or has none."""

    base: Node
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """`base[2]`; null past the end."""

    base: Node
    at: int


@dataclass(frozen=True, slots=True)
class Named:
    """`base[name='x']`: the first element of a list that has such a member; null where there is none."""

    base: Node
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Each:
    """`base[]`: every element of a list, one event each."""

    base: Node


@dataclass(frozen=True, slots=True)
class Call:
    """`json(x)`, `match(x, 'regex')`, `number(x, ',')`, `split(x, ' ')`, `lower(x)`, `when(condition, x)`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """`a + ' - ' + b` as text; null where a part is null."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """`a || b`: the first that is not null."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """`a == 'x'`, also `!= < <= > >=`; numbers and their texts are equal; null fulfils only `!=`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class OneOf:
    """`a in ['x', 'y']`."""

    left: Node
    values: tuple[str | float, ...]


@dataclass(frozen=True, slots=True)
class All:
    """`a and b`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`a or b`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not a`."""

    part: Node


Node = (
    Root
    | Constant
    | Meta
    | Header
    | Member
    | Place
    | Named
    | Each
    | Call
    | Joined
    | Either
    | Compared
    | OneOf
    | All
    | AnyOf
    | Not
)
CONDITIONS = (Compared, OneOf, All, AnyOf, Not)


def children(node: Node) -> Iterator[Node]:
    """The nodes right below."""
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (each for each in value if isinstance(each, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, those below first."""
    for child in children(node):
        yield from walk(child)
    yield node


def eaches(node: Node) -> list[Each]:
    """Every `[]` in it, outer ones first, none twice."""
    return list(dict.fromkeys(each for each in walk(node) if isinstance(each, Each)))


def options_of(path: Node) -> tuple[Node, ...]:
    """What stands between the `||` of a path."""
    return path.options if isinstance(path, Either) else (path,)
