"""Which parts of a body a shape looks at, as msgspec structs: only those are decoded."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from stream_rec.shapes.nodes import CONDITIONS, Each, Member, Node, Root, children, walk

_FIELD = re.compile(r'[^\\"\x00-\x1f]+')
"""Names that a struct's field can have."""
_ANY: Mapping[Node, Any] = {}


class Layout:
    """The types of the nodes of some paths.

    A node that is only stepped through by name is a struct, one that is only gone through a list; everything else is
    decoded as it stands, and so is what is below it.

    Args:
        paths: every path of the shape.
        kinds: of nodes that are decoded as they stand, where only some types fit; of the others all do.
    """

    def __init__(self, paths: Iterable[Node], kinds: Mapping[Node, Any] = _ANY) -> None:
        self._kinds = kinds
        self._members: dict[Node, dict[str, Member]] = defaultdict(dict)
        self._eaches: dict[Node, Each] = {}
        self._whole: set[Node] = set()
        for path in paths:
            self._see(path)
        self.body: Any = self._type(Root())

    def is_struct(self, node: Node) -> bool:
        """Is it decoded as a struct?"""
        if not self._is_rooted(node) or node in self._whole or node in self._eaches:
            return False
        return bool(self._members.get(node))

    def kind(self, node: Node) -> Any:
        """Of what type its values are."""
        is_decoded = isinstance(node, Member) and self.is_struct(node.base)
        return self._kinds.get(node, Any) if is_decoded else Any

    def attribute(self, node: Member) -> str:
        """The struct's attribute for a member."""
        return f"m{list(self._members[node.base]).index(node.name)}"

    def _see(self, path: Node) -> None:
        if not isinstance(path, CONDITIONS):
            self._whole.add(path)
        for node in walk(path):
            if isinstance(node, Member) and _FIELD.fullmatch(node.name):
                self._members[node.base][node.name] = node
            elif isinstance(node, Member):
                self._whole.add(node.base)
            elif isinstance(node, Each):
                self._eaches[node.base] = node
            else:
                self._whole.update(children(node))

    def _is_rooted(self, node: Node) -> bool:
        """Do structs and lists alone lead to it?"""
        while not isinstance(node, Root):
            if not isinstance(node, Member | Each):
                return False
            node = node.base
            if node in self._whole or (node in self._members and node in self._eaches):
                return False
        return True

    def _type(self, node: Node) -> Any:
        members, each = self._members.get(node), self._eaches.get(node)
        if node in self._whole or (members and each) or not (members or each):
            return self._kinds.get(node, Any)
        if each is not None:
            return list[self._type(each) | None] if self._type(each) is not Any else list[Any]  # type: ignore[misc]
        assert members
        fields = [
            (f"m{n}", kind if kind is Any else kind | None, msgspec.field(default=None, name=name))
            for n, (name, kind) in sorted(
                enumerate((name, self._type(one)) for name, one in members.items()),
                key=lambda numbered: numbered[1][0],  # as most write maps: the next one is found at once
            )
        ]
        return msgspec.defstruct("Body", fields, gc=False)
