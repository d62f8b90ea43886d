"""The way that most messages go: a field is its first option, no list is gone through, nothing is refused.

What does not go straight goes through the function of `outputs.write`, which says the same of what does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec

from stream_rec.schemas.records import Interaction
from stream_rec.schemas.validation import TS_END
from stream_rec.settings.shapes import ShapeSettings
from stream_rec.shapes import nodes, times
from stream_rec.shapes.generate import Code
from stream_rec.shapes.layout import Layout
from stream_rec.shapes.messages import Mapped, RawMessage
from stream_rec.shapes.nodes import Constant, Each, Member, Meta, Node
from stream_rec.shapes.outputs import NOT_KEPT, Output, context_of, earliest

Read = Callable[[RawMessage], list[Mapped]]
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)
"""What a decoder of structs raises for a value that does not fit them, or is none."""

_KINDS = {**dict.fromkeys(("user_id", "item_id", "event_type", "event_id", "session_id"), str | None),
          "value": float | None}  # fmt: skip
_MOMENT = Annotated[datetime, msgspec.Meta(tz=True)] | int | float | None
"""A text of ISO 8601 that names its zone, or a number."""


class Ways(NamedTuple):
    """What the function of messages calls.

    Attributes:
        unlike: reads a message whose value does not fit the structs.
        crooked: reads a body, with its message, that does not go straight; None = `unlike` does: the structs have the
            first option of each field only.
    """

    unlike: Read
    crooked: Callable[[Any, RawMessage], list[Mapped]] | None = None


def of_messages(output: Output, shape: ShapeSettings, layout: Layout, ways: Ways) -> Read | None:
    """How messages are read whose bodies are structs; None = there is no straight way.

    Args:
        output: the shape's only one.
        shape: with its units and words.
        layout: of the structs.
        ways: for what does not go straight.
    """
    if not _is_straight(output, shape):
        return None
    code = _code(layout, shape, None)
    code.values |= {"unlike": ways.unlike, "crooked": ways.crooked, "UNREADABLE": UNREADABLE}
    code.values["decode"] = msgspec.json.Decoder(layout.body).decode
    with code.block("try:"):
        code.line("body = decode(message.value)")
    with code.block("except UNREADABLE:"):
        code.line("return unlike(message)")
    leave = "return crooked(body, message)" if ways.crooked else "return unlike(message)"
    _Writer(code, shape, leave, layout, is_lean=ways.crooked is None).write(output, "return [{}]")
    return code.function("def mapped(message):")


def of_bodies(
    output: Output, shape: ShapeSettings, units: dict[str, int]
) -> Callable[[Any, RawMessage, Any], Mapped | None] | None:
    """The straight way of a body as JSON has it, its message and its envelope; None = there is none.

    Args:
        output: the shape's only one.
        shape: with its units and words.
        units: counts the units as which times were read that are numbers.
    """
    if not _is_straight(output, shape):
        return None
    code = _code(None, shape, units)
    _Writer(code, shape, "return None", None).write(output, "return {}")
    return code.function("def mapped(body, message, envelope):")


def first_options(output: Output) -> list[Node]:
    """The paths that are looked at where every field is its first option; contexts are looked at whole."""
    fields = output.fields.items()
    first = [path if name.startswith("context.") else nodes.options_of(path)[0] for name, path in fields]
    return [*first, *([output.keep] if output.keep else [])]


def expected(output: Output, shape: ShapeSettings) -> dict[Node, Any]:
    """Of what type members most often are: a decoder that knows it spares us the question."""
    found: dict[Node, Any] = {}
    for name, path in output.fields.items():
        for n, option in enumerate(nodes.options_of(path)):
            if isinstance(option, Member):
                kind = _KINDS.get(name, Any)
                if name == "ts" and n == 0 and shape.unit in ("auto", "iso"):
                    kind = _MOMENT
                found[option] = kind if found.get(option, kind) == kind else Any
    elsewhere = {
        node
        for path in output.paths
        for option in (nodes.options_of(path) if path is not output.keep else (path,))
        for node in nodes.walk(option)
        if node is not option
    }
    return {node: kind for node, kind in found.items() if kind is not Any and node not in elsewhere}


def _is_straight(output: Output, shape: ShapeSettings) -> bool:
    """Has every field an option without a list, and do lists only give items?"""
    fields = output.fields
    if output.kind != "events" or shape.whole_numbers or "ts_plus" in fields:
        return False
    if output.keep is not None and nodes.eaches(output.keep):
        return False
    of_items = {each for option in nodes.options_of(fields["item_id"]) for each in nodes.eaches(option)}
    if any(each not in of_items for path in fields.values() for each in nodes.eaches(path)):
        return False
    if isinstance(nodes.options_of(fields["ts"])[0], Constant) or nodes.options_of(fields["ts"])[0] == Meta(
        "row"
    ):
        return False
    plain = [path for name, path in fields.items() if not name.startswith("context.")]
    return not any(nodes.eaches(nodes.options_of(path)[0]) for path in plain)


def _code(layout: Layout | None, shape: ShapeSettings, units: dict[str, int] | None) -> Code:
    code = Code(layout)
    nulls = frozenset(shape.null) | {""}
    code.values |= {
        "seconds": times.reader(shape.unit, units),
        "number": times.number,
        "NULLS": nulls | {None},
        "NOT_USERS": nulls | frozenset(shape.nobody) | {None},
        "NOT_KEPT": NOT_KEPT,
        "TYPES": {theirs: ours for theirs, ours in shape.types.items() if theirs not in nulls},
        "EARLIEST": earliest(shape),
        "TS_END": float(TS_END),
        "Interaction": Interaction,
        "datetime": datetime,
    }
    return code


class _Writer:
    """Writes the body of a function.

    Args:
        code: with all names that it needs.
        shape: with its types and units.
        leave: the statement for what does not go straight.
        layout: of the bodies; None = they are no structs.
        is_lean: only first options are looked at.
    """

    def __init__(
        self, code: Code, shape: ShapeSettings, leave: str, layout: Layout | None, *, is_lean: bool = False
    ) -> None:
        self._code, self._shape, self._leave, self._layout, self._is_lean = (
            code,
            shape,
            leave,
            layout,
            is_lean,
        )

    def write(self, output: Output, give: str) -> None:
        """All of it; `give` is the statement that hands over a record, with {} in its place."""
        code, fields = self._code, output.fields
        if output.keep is not None:
            holds = code.condition(output.keep)
            if nodes.is_of_order(output.keep):
                holds = self._set(code.truth(output.keep))
                self._leave_if(f"{holds}.__class__ is NoNumber")
            with code.block(f"if not {holds}:"):
                code.line(give.format("NOT_KEPT"))
        user = self._id(fields["user_id"], "NOT_USERS")
        item = self._id(fields["item_id"], "NULLS")
        kind = self._event_type(fields.get("event_type"))
        ts = self._time(fields["ts"])
        event_id, session = self._optional_id(fields, "event_id"), self._optional_id(fields, "session_id")
        value = self._number(fields.get("value"))
        context, faults = context_of(code, fields)
        for fault in faults:
            self._leave_if(fault.condition)
        if event_id == "None":
            event_id = self._set("None")
        with code.block(f"if {event_id} is None and message.topic:"):
            code.line(f'{event_id} = f"{{message.topic}}/{{message.partition}}/{{message.offset}}/0"')
        code.line(
            give.format(
                f"Interaction({user}, {item}, {kind}, {ts}, {event_id}, {session}, {value}, {context})"
            )
        )

    def _first(self, path: Node, until: type[Node] = Each) -> str:
        """A variable with the first option that is not null, up to one that goes through a list or is of a kind."""
        code, options = self._code, nodes.options_of(path)
        name = code.own(options[0])
        for option in options[1:]:
            if nodes.eaches(option) or isinstance(option, until):
                break
            if self._is_lean:
                self._leave_if(f"{name} is None")
                break
            with code.block(f"if {name} is None:"):
                code.line(f"{name} = {code.value(option)}")
        return name

    def _id(self, path: Node, words: str) -> str:
        name = self._first(path)
        self._as_text(name, path)
        self._leave_if(f"{name} in {words}")
        return name

    def _optional_id(self, fields: Mapping[str, Node], field: str) -> str:
        if field not in fields:
            return "None"
        name = self._first(fields[field])
        with self._code.block(f"if {name} is not None:"):
            self._as_text(name, fields[field])
            self._leave_if(f"{name} in NULLS")
        return name

    def _as_text(self, name: str, path: Node) -> None:
        if self._is_text(path):
            return
        with self._code.block(f"if {name}.__class__ is not str:"):
            self._leave_if(f"{name}.__class__ is not int")
            self._code.line(f"{name} = str({name})")

    def _is_text(self, path: Node) -> bool:
        """Can it be nothing but a text or null?"""
        return self._layout is not None and all(
            self._layout.kind(option) == str | None
            for option in nodes.options_of(path)[: 1 if self._is_lean else None]
            if not nodes.eaches(option)
        )

    def _event_type(self, path: Node | None) -> str:
        if path is None:
            return repr("view")
        name = self._first(path)
        if not self._is_text(path):
            self._leave_if(f"{name}.__class__ is not str")
        if self._shape.types and self._shape.other_types == "leave_out":
            kind = self._code.variable()
            with self._code.block("try:"):
                self._code.line(f"{kind} = TYPES[{name}]")
            with self._code.block("except KeyError:"):
                self._code.line(self._leave)
            return kind
        self._leave_if(f"{name} in NULLS")
        return self._set(f"TYPES.get({name}, {name})") if self._shape.types else name

    def _time(self, path: Node) -> str:
        code, name = self._code, self._code.variable()
        if nodes.options_of(path)[0] == Meta("timestamp"):
            self._leave_if("message.timestamp < 0")
            code.line(f"{name} = message.timestamp / 1000.0")
        else:
            raw = self._first(path, until=Meta)
            is_aware = "" if self._layout is not None else f" and {raw}.tzinfo is not None"
            with code.block(f"if {raw}.__class__ is datetime{is_aware}:"):
                code.line(f"{name} = {raw}.timestamp()")
            if self._layout is not None and self._shape.unit == "auto":  # as `times.reader` has it
                with code.block(f"elif {raw}.__class__ is float and -1e11 < {raw} < 1e11:"):
                    code.line(f"{name} = {raw}")
                with code.block(f"elif {raw}.__class__ is int and 10**11 <= {raw} < 10**14:"):
                    code.line(f"{name} = {raw} / 1e3")
            with code.block("else:"):
                code.line(f"{name} = seconds({raw})")
                self._leave_if(f"{name} is None")
        self._leave_if(f"{name} < EARLIEST or {name} >= TS_END")
        return name

    def _number(self, path: Node | None) -> str:
        if path is None:
            return "None"
        name = self._first(path)
        is_done = f"{name} is None" + (f" or {name}.__class__ is float" if self._layout is not None else "")
        with self._code.block(f"if not ({is_done}):"):  # JSON has no NaN
            self._leave_if(f"{name}.__class__ is str")
            self._code.line(f"{name} = number({name})")
            self._leave_if(f"{name} is None")
        return name

    def _set(self, expression: str) -> str:
        name = self._code.variable()
        self._code.line(f"{name} = {expression}")
        return name

    def _leave_if(self, condition: str) -> None:
        with self._code.block(f"if {condition}:"):
            self._code.line(self._leave)
