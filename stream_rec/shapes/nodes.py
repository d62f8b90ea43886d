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
    """`json(x)`, `match(x, 'regex')`, `negative(x)`, `number(x, ',')`, `split(x, ' ')`, `lower(x)`, `when(..., x)`."""

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
    """`a == 'x'`, also `!= < <= > >=`; numbers and their texts are equal; null fulfils only `!=`.

    Only numbers are in an order: of anything else the condition cannot be said.
    """

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
ORDER = ("<", "<=", ">", ">=")
"""Comparisons of numbers alone."""


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


def is_of_order(node: Node) -> bool:
    """Does it ask what is more or less, so that it cannot be said of what is no number?"""
    return any(isinstance(each, Compared) and each.operator in ORDER for each in walk(node))


def shown(node: Node) -> str:
    """A path of names as it is written; of other nodes the first such path in them."""
    match node:
        case Root():
            return "$"
        case Member(Root(), name):
            return name
        case Member(base, name):
            return f"{shown(base)}.{name}"
        case Header(name):
            return f"@headers.{name}"
        case Meta(name):
            return f"@{name}"
        case Each(base):
            return f"{shown(base)}[]"
        case Place(base, at):
            return f"{shown(base)}[{at}]"
        case Named(base, name, value):
            return f"{shown(base)}[{name}='{value}']"
        case _:
            return next((shown(each) for each in children(node)), "")
