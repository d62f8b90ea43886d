"""The functions that a shape's outputs become: body in, records and refusals out.

One file, though a long one: the pieces of text that make up one generated function are read beside each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from stream_rec.errors import ConfigError
from stream_rec.schemas.records import Impression, Interaction, Item, PublishedRecord
from stream_rec.schemas.validation import TS_END
from stream_rec.settings.shapes import ShapeSettings
from stream_rec.shapes import nodes, times
from stream_rec.shapes.generate import Code
from stream_rec.shapes.layout import Layout
from stream_rec.shapes.loops import LISTS, open_loops
from stream_rec.shapes.messages import Refused, Removed
from stream_rec.shapes.nodes import Each, Node
from stream_rec.shapes.paths import parse, parse_condition
from stream_rec.shapes.refusals import (
    not_compared,
    other_type,
    recorded,
    refused_comparison,
    refused_id,
    refused_moment,
    refused_time,
    signed_in,
    unreadable,
)


class Fault(NamedTuple):
    """How a generated function knows that an optional part cannot be read.

    Attributes:
        condition: in Python.
        field: of our record.
        raw: the variable that holds what stands there.
    """

    condition: str
    field: str
    raw: str


Write = Callable[[Any, Any, Any, list[Any]], None]
"""Body, message and envelope in; appends to a list."""

EVENT_FIELDS = ("user_id", "item_id", "event_type", "ts", "event_id", "session_id", "value", "ts_plus")
ITEM_FIELDS = (
    "item_id", "title", "tags", "ts", "available", "hidden", "price", "available_from", "available_until", "owner",
    "description", "image", "link", "removed",
)  # fmt: skip
IMPRESSION_FIELDS = ("slate_id", "user_id", "ts", "items", "scenario", "variant", "experiment")
_FIELDS = {"events": EVENT_FIELDS, "items": ITEM_FIELDS, "impressions": IMPRESSION_FIELDS,
           "merges": ("visitor_id", "user_id")}  # fmt: skip
_NEEDED = {
    "events": ("user_id", "item_id", "ts"),
    "items": ("item_id",),
    "impressions": ("user_id", "ts", "items"),
    "merges": ("visitor_id", "user_id"),
}
_MAPS = {"events": "context.", "items": "attributes.", "impressions": "", "merges": ""}
_DECISIVE = ("available", "hidden")
_TIMES = ("ts", "available_from", "available_until")
NOT_KEPT = Refused("not_kept", "keep", "the shape's `keep` does not hold")


@dataclass(frozen=True, slots=True)
class Output:
    """One of the records that a shape makes.

    Attributes:
        kind: `events`, `items`, `impressions` or `merges`.
        fields: by field of our record, its path; `keep` is not among them.
        keep: which messages are for it; None = all.
    """

    kind: str
    fields: Mapping[str, Node]
    keep: Node | None

    @classmethod
    def of(cls, kind: str, given: Mapping[str, str], where: str) -> Output:
        """Parsed.

        Raises:
            ConfigError: a path cannot be read, a field is unknown or missing.
        """
        known, prefix = _FIELDS[kind], _MAPS[kind]
        for name in given:
            if name not in known and name != "keep" and not (prefix and name.startswith(prefix)):
                there = ", ".join([*known, "keep"] + ([f"{prefix}NAME"] if prefix else []))
                raise ConfigError(f"{where}.{kind} has no field {name!r}", fix=f"there are {there}")
        if missing := [name for name in _NEEDED[kind] if not given.get(name)]:
            raise ConfigError(
                f"{where}.{kind} does not say what {missing[0]} is", fix=f"add {missing[0]} = 'a path'"
            )
        paths = {name: parsed(kind, name, text, where) for name, text in given.items()}
        keep = paths.pop("keep", None)
        for name in LISTS.get(kind, ()):
            if name in paths and not nodes.eaches(paths[name]):
                paths[name] = Each(paths[name])
        return cls(kind, paths, keep)

    @property
    def paths(self) -> list[Node]:
        """All of them."""
        return [*self.fields.values(), *([self.keep] if self.keep else [])]


def parsed(kind: str, name: str, text: str, where: str) -> Node:
    """The path of a field, or what stands in `keep` and `removed`, which are conditions.

    Args:
        kind: `events`, `items`, `impressions` or `merges`.
        name: of the field.
        text: as in the shape.
        where: `shapes.NAME`, for the error.

    Raises:
        ConfigError: it cannot be read.
    """
    return (parse_condition if name in ("keep", "removed") else parse)(text, f"{where}.{kind}.{name}")


def write(
    output: Output, shape: ShapeSettings, layout: Layout | None, units: dict[str, int] | None = None
) -> Write:
    """The function of an output.

    Args:
        output: of which it is.
        shape: with its units and words.
        layout: of the bodies that it will be given; None = objects as JSON has them.
        units: counts the units as which times were read that are numbers; None = nobody asks.
    """
    code = Code(layout)
    code.values["seconds"] = times.reader(shape.unit, units)
    nulls = frozenset(shape.null)
    code.values |= {"NULLS": nulls, "NOT_USERS": nulls | frozenset(shape.nobody), "NOT_KEPT": NOT_KEPT}
    code.values["refused_comparison"] = refused_comparison
    keep = output.keep
    if keep is not None and not nodes.eaches(keep):
        _keep(code, keep, "return")
        keep = None
    with ExitStack() as loops:
        line = open_loops(code, output, loops)
        if keep is not None:
            _keep(code, keep, "continue")
        if line:
            code.line(f"{line} += 1")  # of those that are kept: a click on one of a list keeps its id
        match output.kind:
            case "events":
                _event(code, output, shape, line)
            case "merges":
                _sign_in(code, output, shape)
            case _:
                _record(code, output, shape)
    return code.function("def mapped(body, message, envelope, out):")


def _keep(code: Code, keep: Node, leave: str) -> None:
    """Leave what is not kept, and what cannot be said to be."""
    holds = _holds(code, "keep", keep, leave)
    with code.block(f"if not {holds}:"):
        code.line("out.append(NOT_KEPT)")
        code.line(leave)


def _holds(code: Code, field: str, node: Node, leave: str) -> str:
    """An expression that says whether a condition holds; where what it compares is no number, the record is refused."""
    if not nodes.is_of_order(node):
        return code.condition(node)
    name = code.variable()
    code.line(f"{name} = {code.truth(node)}")
    with code.block(f"if {name}.__class__ is NoNumber:"):
        code.line(f"out.append(refused_comparison({field!r}, {name}))")
        code.line(leave)
    return name


def _event(code: Code, output: Output, shape: ShapeSettings, line: str) -> None:
    fields = output.fields
    code.values |= {"Interaction": Interaction, "refused_id": refused_id, "refused_time": refused_time,
                    "unreadable": unreadable}  # fmt: skip
    faults: list[Fault] = []
    kind, theirs = _event_type(code, fields.get("event_type"), shape)
    user = _id(code, "user_id", fields["user_id"], shape, "NOT_USERS", theirs)
    item = _id(code, "item_id", fields["item_id"], shape, theirs=theirs)
    ts = _time(code, fields["ts"], shape, fields.get("ts_plus"))
    event_id = _optional_id(code, "event_id", fields, shape, faults)
    session = _optional_id(code, "session_id", fields, shape, faults)
    value = "None"
    if "value" in fields:
        value = _number(code, "value", fields["value"], faults)
    context, in_context = context_of(code, fields)
    if line:
        with code.block(f"if {event_id} is not None and {line}:"):
            code.line(f'{event_id} = f"{{{event_id}}}/{{{line}}}"')
    with code.block(f"if {event_id} is None and message.topic:"):
        code.line(f'{event_id} = f"{{message.topic}}/{{message.partition}}/{{message.offset}}/{{len(out)}}"')
    code.line(
        f"out.append(Interaction({user}, {item}, {kind}, {ts}, {event_id}, {session}, {value}, {context}))"
    )
    _report(code, [*faults, *in_context], "out")


def _sign_in(code: Code, output: Output, shape: ShapeSettings) -> None:
    code.values |= {"signed_in": signed_in, "WHOLE": shape.whole_numbers}
    visitor, user = (code.value(output.fields[name]) for name in ("visitor_id", "user_id"))
    code.line(f"out.append(signed_in({visitor}, {user}, NOT_USERS, whole_numbers=WHOLE))")


def _report(code: Code, faults: Sequence[Fault], to: str) -> None:
    for condition, field, raw in faults:
        with code.block(f"if {condition}:"):
            code.line(f"{to}.append(unreadable({field!r}, {raw}))")


def _number(code: Code, field: str, path: Node, faults: list[Fault]) -> str:
    """A variable with a number, null if it is none."""
    code.values["number"] = times.number
    raw, name = code.variable_of(path), code.variable()
    code.line(f"{name} = number({raw})")
    faults.append(Fault(f"{name} is None and not ({code.is_absent(raw)})", field, raw))
    return name


def _event_type(code: Code, path: Node | None, shape: ShapeSettings) -> tuple[str, str]:
    """Variables, or literals, with our event type and theirs."""
    if path is None:
        return repr("view"), repr("")
    code.values |= {"TYPES": dict(shape.types), "other_type": other_type, "refused_id": refused_id}
    kind = code.variable()
    raw = code.value(path)
    code.line(f"{kind} = {raw} if {raw}.__class__ is str else to_id({raw})")
    with code.block(f"if not {kind} or {kind} in NULLS:"):
        code.line(f"out.append(refused_id('event_type', {raw}))")
        code.line("continue")
    if shape.types and shape.other_types == "leave_out":
        name = code.variable()
        code.line(f"{name} = TYPES.get({kind})")
        with code.block(f"if {name} is None:"):
            code.line(f"out.append(other_type({kind}))")
            code.line("continue")
        return name, kind
    if shape.types:
        name = code.variable()
        code.line(f"{name} = TYPES.get({kind}, {kind})")
        return name, kind
    return kind, kind


def _id(
    code: Code, field: str, path: Node, shape: ShapeSettings, words: str = "NULLS", theirs: str = "''"
) -> str:
    raw, name = code.value(path), code.variable()
    code.line(f"{name} = {raw} if {raw}.__class__ is str else to_id({raw})")
    if shape.whole_numbers:
        with code.block(f"if {name}:"):
            code.line(f"{name} = without_point({name})")
    with code.block(f"if not {name} or {name} in {words}:"):
        code.line(f"out.append(refused_id({field!r}, {raw}, {theirs}))")
        code.line("continue")
    return name


def _optional_id(
    code: Code, field: str, fields: Mapping[str, Node], shape: ShapeSettings, faults: list[Fault]
) -> str:
    name, path = code.variable(), fields.get(field)
    if path is None:
        code.line(f"{name} = None")
        return name
    raw = code.variable_of(path)
    faults.append(Fault(f'{raw}.__class__ is not str and to_id({raw}) == ""', field, raw))
    code.line(f"{name} = {raw} if {raw}.__class__ is str else to_id({raw})")
    with code.block(f"if not {name} or {name} in NULLS:"):
        code.line(f"{name} = None")
    if shape.whole_numbers:
        with code.block(f"if {name}:"):
            code.line(f"{name} = without_point({name})")
    return name


def _time(code: Code, path: Node, shape: ShapeSettings, plus: Node | None = None) -> str:
    """A variable with seconds since the epoch; the broker's own time and a row's number need no unit."""
    code.values |= {"EARLIEST": earliest(shape), "TS_END": float(TS_END),
                    "UNIT": shape.unit, "refused_time": refused_time}  # fmt: skip
    name, raw = code.variable(), code.variable()
    n_blocks = 0
    with ExitStack() as stack:
        for option in nodes.options_of(path):
            if n_blocks:
                stack.enter_context(code.block(f"if {name} is None and ({code.is_absent(raw)}):"))
            n_blocks += 1
            match option:
                case nodes.Meta("timestamp"):
                    code.line(f"{raw} = message.timestamp if message.timestamp >= 0 else None")
                    code.line(f"{name} = None if {raw} is None else {raw} / 1000.0")
                case nodes.Meta("row"):
                    code.line(f"{raw} = message.offset")
                    code.line(f"{name} = {ROW_TIME} + {raw}")
                case _:
                    code.line(f"{raw} = {code.value(option)}")
                    code.line(f"{name} = seconds({raw})")
    if plus is not None:
        code.values |= {"number": times.number, "refused_moment": refused_moment}
        added, more = code.variable_of(plus), code.variable()
        code.line(f"{more} = number({added})")
        with code.block(f"if {more} is None and not ({code.is_absent(added)}):"):
            code.line(f"out.append(refused_moment('ts_plus', {added}))")
            code.line("continue")
        with code.block(f"if {name} is not None and {more} is not None:"):
            code.line(f"{name} += {more}{' / 1000.0' if shape.plus_unit == 'ms' else ''}")
    with code.block(f"if {name} is None or not EARLIEST <= {name} < TS_END:"):
        code.line(f"out.append(refused_time({raw}, {name}, UNIT))")
        code.line("continue")
    return name


def context_of(
    code: Code, fields: Mapping[str, Node], prefix: str = "context.", read: str = "scalar"
) -> tuple[str, list[Fault]]:
    """A variable, or literal, with the entries of a map, or None; and how to know those that cannot be read.

    Args:
        code: to which it is added.
        fields: paths.
        prefix: of the map's entries.
        read: the helper that gives what an entry can hold.
    """
    entries = {name: path for name, path in fields.items() if name.startswith(prefix)}
    faults: list[Fault] = []
    if not entries:
        return "None", faults
    name = code.variable()
    code.line(f"{name} = {{}}")
    for field, path in entries.items():
        raw, value = code.variable_of(path), code.variable()
        code.line(f"{value} = {read}({raw})")
        with code.block(f"if not ({code.is_absent(value)}):"):
            code.line(f"{name}[{field[len(prefix) :]!r}] = {value}")
        faults.append(Fault(f"{value} is None and {raw} is not None", field, raw))
    code.line(f"{name} = {name} or None")
    return name, faults


def _record(code: Code, output: Output, shape: ShapeSettings) -> None:
    """An item or an impression: its fields as an object, which is then read as leniently as one on the wire."""
    kind: type[PublishedRecord] = Item if output.kind == "items" else Impression
    code.values |= {"recorded": recorded, "KIND": kind, "Removed": Removed, "unreadable": unreadable,
                    "refused_id": refused_id, "refused_moment": refused_moment}  # fmt: skip
    given, unread = code.variable(), code.variable()
    code.line(f"{given} = {{}}")
    code.line(f"{unread} = []")
    for name, path in output.fields.items():
        if name == "removed" or name.startswith("attributes."):
            continue
        if name in _TIMES and not (name == "ts" and output.kind == "impressions"):
            value = _moment(code, name, path, unread)
        elif name == "ts":
            value = _time(code, path, shape)
        elif name in ("item_id", "user_id"):
            value = _id(code, name, path, shape, "NOT_USERS" if name == "user_id" else "NULLS")
        elif name in LISTS.get(output.kind, ()):
            value = _list(code, name, path, unread)
        elif name == "price":
            faults: list[Fault] = []
            value = _number(code, name, path, faults)
            _report(code, faults, unread)
        else:
            raw = code.variable_of(path)
            if name in _DECISIVE and nodes.is_of_order(path):
                _decision(code, name, path, unread)
            value = f"None if {code.is_absent(raw)} else {raw}"
        code.line(f"{given}[{name!r}] = {value}")
        if name == "item_id" and "removed" in output.fields:
            with code.block(f"if {_holds(code, 'removed', output.fields['removed'], 'continue')}:"):
                code.line(f"out.append(Removed({value}))")
                code.line("continue")
    if output.kind == "impressions":
        with code.block(f"if {given}.get('slate_id') is None and message.topic:"):
            code.line(
                f"{given}['slate_id'] = f\"{{message.topic}}/{{message.partition}}/{{message.offset}}/{{len(out)}}\""
            )
    else:
        attributes, in_attributes = context_of(code, output.fields, "attributes.", "scalars")
        code.line(f"{given}['attributes'] = {attributes}")
        _report(code, in_attributes, unread)
    code.line(f"out += recorded(KIND, {given}, {unread})")


def _decision(code: Code, field: str, path: Node, unread: str) -> None:
    """Whether an item may be shown, by a comparison: of what is no number it would hide or show what nobody meant."""
    code.values["not_compared"] = not_compared
    raw = code.variable_of(path)
    with code.block(f"if {raw}.__class__ is NoNumber:"):
        code.line(f"out.append(refused_comparison({field!r}, {raw}))")
        code.line("continue")
    last = nodes.options_of(path)[-1]
    if isinstance(last, nodes.CONDITIONS):
        with code.block(f"if {raw} is None:"):
            code.line(f"{unread}.append(not_compared({field!r}, {nodes.shown(last)!r}))")


def _moment(code: Code, field: str, path: Node, unread: str) -> str:
    """A variable with the seconds of an item's time; without a window's end an item would be shown for ever."""
    raw, name = code.variable_of(path), code.variable()
    code.line(f"{name} = seconds({raw})")
    with code.block(f"if {name} is None and not ({code.is_absent(raw)}):"):
        if field == "ts":
            code.line(f"{unread}.append(unreadable({field!r}, {raw}))")
        else:
            code.line(f"out.append(refused_moment({field!r}, {raw}))")
            code.line("continue")
    return name


def _list(code: Code, field: str, path: Node, unread: str) -> str:
    """A variable with the ids or tags of the first option that has any; one that stands alone is a list of one."""
    found = code.variable()
    code.line(f"{found} = []")
    for option in nodes.options_of(path):
        eaches = nodes.eaches(option)
        with code.block(f"if not {found}:"):
            source = f"several({code.value(eaches[-1].base if eaches else option)})"
            one, text = code.variable(), code.variable()
            with code.block(f"for {one} in {source}:"):
                if eaches:
                    code.bind(eaches[-1], one)
                value = code.variable_of(option) if eaches else one
                code.line(f"{text} = to_id({value})")
                with code.block(f"if {text} and {text} not in NULLS:"):
                    code.line(f"{found}.append({text})")
                is_no_id = f"{value} is not None and {value}.__class__ is not str and not {text}"
                is_no_object = f"{value} is None and {one} is not None and {one}.__class__ is not dict"
                with code.block(f"elif {is_no_id} or {is_no_object}:"):
                    code.line(f"{unread}.append(unreadable({field!r}, {one}))")
    return found


ROW_TIME = 1_000_000_000.0
"""A log without times is in order of its rows: so many seconds (2001-09-09), and one more a row."""


def earliest(shape: ShapeSettings) -> float:
    """The first time that is not refused, in seconds."""
    return datetime.fromisoformat(shape.earliest).replace(tzinfo=UTC).timestamp()
