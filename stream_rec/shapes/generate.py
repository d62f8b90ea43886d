"""The tree of a shape's paths as the text of one Python function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stream_rec.shapes import nodes, values
from stream_rec.shapes.layout import Layout
from stream_rec.shapes.nodes import Node
from stream_rec.shapes.times import number

_METAS = {
    "key": "text_of(message.key)",
    "value": "text_of(message.value)",
    "timestamp": "(message.timestamp if message.timestamp >= 0 else None)",
    "topic": "message.topic",
    "partition": "message.partition",
    "offset": "message.offset",
    "row": "message.offset",
    "envelope": "envelope",
}
_HELPERS = (
    "member", "place", "named", "elements", "plain", "to_id", "without_point", "decoded", "joined", "matched", "split",
    "lower", "written", "negative", "compared", "ordered", "all_of", "any_of", "negated", "NoNumber", "scalar",
    "scalars", "several", "text_of", "ONE",
)  # fmt: skip

_VARIABLE = re.compile(r"[a-z]\w*")


class Code:
    """Lines of a function, made node by node; what was computed once in a block is not computed again in it.

    Args:
        layout: None = bodies are objects as JSON has them; else they are its structs.
    """

    def __init__(self, layout: Layout | None) -> None:
        self._layout = layout
        self._lines: list[str] = []
        self._depth = 1
        self._names: list[dict[Node, str]] = [{nodes.Root(): "body"}]
        self._n = 0
        self.values: dict[str, Any] = {name: getattr(values, name) for name in _HELPERS}

    def line(self, text: str) -> None:
        """Add one."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """What is added in it stands below `head`; what it computes is not known behind it."""
        self.line(head)
        self._depth += 1
        self._names.append({})
        n_lines = len(self._lines)
        yield
        if len(self._lines) == n_lines:
            self.line("pass")
        self._names.pop()
        self._depth -= 1

    def constant(self, value: Any) -> str:
        """A name that holds a value."""
        name = f"c{len(self.values)}"
        self.values[name] = value
        return name

    def variable(self) -> str:
        """A new one."""
        self._n += 1
        return f"v{self._n}"

    def bind(self, node: Node, name: str) -> None:
        """Say that a variable holds a node's value, in this block."""
        self._names[-1][node] = name

    def function(self, head: str) -> Callable[..., Any]:
        """What was written so far, compiled."""
        source = "\n".join([head, *self._lines, ""])
        scope = dict(self.values)
        exec(compile(source, "<shape>", "exec"), scope)
        made: Callable[..., Any] = scope["mapped"]
        return made

    def is_absent(self, name: str) -> str:
        """The condition that a variable is null or a null word."""
        return f"{name} is None or ({name}.__class__ is str and {name} in NULLS)"

    def value(self, node: Node) -> str:
        """The variable or literal that holds a node's value."""
        for known in reversed(self._names):
            if node in known:
                return known[node]
        match node:
            case nodes.Constant(value):
                return repr(value)
            case nodes.Meta(name):
                return self._set(node, _METAS[name])
            case nodes.Header(name):
                return self._set(node, f"text_of(message.headers.get({name!r}))")
            case nodes.Member():
                return self._member(node)
            case nodes.Place(base, at):
                return self._set(node, f"place({self._object(base)}, {at})")
            case nodes.Named(base, name, value):
                return self._set(node, f"named({self._object(base)}, {name!r}, {value!r})")
            case nodes.Call(name, arguments):
                return self._call(node, name, arguments)
            case nodes.Joined(parts):
                texts = [self._present(part) for part in parts]
                return self._set(node, f"joined({', '.join(texts)})")
            case nodes.Either(options):
                return self._either(node, options)
            case nodes.Each():
                return "None"  # no loop goes through it here
            case _:
                return self._set(node, self.truth(node))

    def own(self, node: Node) -> str:
        """A variable that holds a node's value and that nothing else reads: it may be set anew."""
        n_lines, found = len(self._lines), self.value(node)
        if len(self._lines) > n_lines and self._names[-1].get(node) == found:
            del self._names[-1][node]
            return found
        return self._set(None, found)

    def condition(self, node: Node) -> str:
        """A Python condition that says whether a node holds."""
        match node:
            case nodes.Compared(operator, left, right):
                return self._comparison(operator, left, right)
            case nodes.OneOf(left, wanted):
                texts = self.constant(frozenset(values.plain(value) for value in wanted))
                return f"plain({self.value(left)}) in {texts}"
            case nodes.All(parts) | nodes.AnyOf(parts):
                word = " and " if isinstance(node, nodes.All) else " or "
                return "(" + word.join(self.condition(part) for part in parts) + ")"
            case nodes.Not(part):
                return f"(not {self.condition(part)})"
            case _:
                name = self.variable_of(node)
                return f"(not ({self.is_absent(name)}) and {name} is not False)"

    def truth(self, node: Node) -> str:
        """A Python expression: true, false, null if what is compared is not given, a `NoNumber` if it is none.

        Of conditions that do not ask for an order it is as `condition`.
        """
        if not nodes.is_of_order(node):
            return self.condition(node)
        match node:
            case nodes.Compared(operator, left, right) if operator in nodes.ORDER:
                names = self.constant((nodes.shown(left), nodes.shown(right)))
                return f"ordered({operator!r}, {self.value(left)}, {self.value(right)}, {names}, NULLS)"
            case nodes.All(parts) | nodes.AnyOf(parts):
                word = "all_of" if isinstance(node, nodes.All) else "any_of"
                return f"{word}({', '.join(self.truth(part) for part in parts)})"
            case nodes.Not(part):
                return f"negated({self.truth(part)})"
            case nodes.Compared() | nodes.OneOf():
                return self.condition(node)
            case _:  # a path: what it holds may itself be such a condition, in brackets
                name = self.variable_of(node)
                return f"({name} if {name}.__class__ is NoNumber else {self.condition(node)})"

    def _comparison(self, operator: str, left: Node, right: Node) -> str:
        """A text that is no number needs no helper where the other side is a text."""
        text = right.value if isinstance(right, nodes.Constant) and isinstance(right.value, str) else ""
        if operator in ("==", "!=") and text and number(text) is None:
            name = self.variable_of(left)
            return f"({f'plain({name})' if text in ('true', 'false') else name} {operator} {text!r})"
        return f"compared({operator!r}, {self.value(left)}, {self.value(right)})"

    def variable_of(self, node: Node) -> str:
        """A variable that holds a node's value, which may be a constant."""
        name = self.value(node)
        return name if _VARIABLE.fullmatch(name) else self._set(None, name)

    def _present(self, node: Node) -> str:
        """Its value, a null word taken for null."""
        if isinstance(node, nodes.Constant):
            return repr(node.value)
        name = self.variable_of(node)
        return self._set(None, f"None if {self.is_absent(name)} else {name}")

    def _set(self, node: Node | None, expression: str) -> str:
        name = self.variable()
        self.line(f"{name} = {expression}")
        if node is not None:
            self.bind(node, name)
        return name

    def _member(self, node: nodes.Member) -> str:
        if self._layout is not None and self._layout.is_struct(node.base):
            base, attribute = self.value(node.base), self._layout.attribute(node)
            if isinstance(node.base, nodes.Root):
                return self._set(node, f"{base}.{attribute}")
            return self._set(node, f"None if {base} is None else {base}.{attribute}")
        found = self._object(node.base)
        if _VARIABLE.fullmatch(found):
            return self._set(node, f"{found}.get({node.name!r}) if {found}.__class__ is dict else None")
        return self._set(node, f"member({found}, {node.name!r})")

    def _object(self, node: Node) -> str:
        """Of a key or header that is stepped into, the JSON that it holds."""
        if isinstance(node, nodes.Header) or (isinstance(node, nodes.Meta) and node.name in ("key", "value")):
            return f"decoded({self.value(node)})"
        return self.value(node)

    def _call(self, node: Node, name: str, arguments: tuple[Node, ...]) -> str:
        if name == "when":
            found, holds = self.variable(), self._set(None, self.truth(arguments[0]))
            self.line(f"{found} = {holds} if {holds}.__class__ is NoNumber else None")
            with self.block(f"if {holds} is True:"):
                self.line(f"{found} = {self.value(arguments[1])}")
            self.bind(node, found)
            return found
        first = self.value(arguments[0])
        match name, arguments:
            case "match", (_, nodes.Constant(pattern)):
                return self._set(node, f"matched({first}, {self.constant(re.compile(str(pattern)))})")
            case "split", (_, nodes.Constant(separator)):
                return self._set(node, f"split({first}, {separator!r})")
            case "number", (_, nodes.Constant(mark)):
                absent = self.is_absent(first) if _VARIABLE.fullmatch(first) else "False"
                return self._set(node, f"{first} if {absent} else written({first}, {mark!r})")
            case "negative", _:
                absent = self.is_absent(first) if _VARIABLE.fullmatch(first) else "False"
                return self._set(node, f"None if {absent} else negative({first})")
            case "json", _:
                return self._set(node, f"decoded({first})")
            case _:
                return self._set(node, f"lower({first})")

    def _either(self, node: Node, options: tuple[Node, ...]) -> str:
        found = self.variable()
        self.line(f"{found} = {self.value(options[0])}")
        depth = self._depth
        for option in options[1:]:
            self.line(f"if {self.is_absent(found)}:")
            self._depth += 1
            self._names.append({})
            self.line(f"{found} = {self.value(option)}")
        del self._names[len(self._names) - (self._depth - depth) :]
        self._depth = depth
        self.bind(node, found)
        return found
