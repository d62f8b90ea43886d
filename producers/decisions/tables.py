"""Decisions in TOML files, one table each; times may be TOML's dates."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from stream_rec.errors import ConfigError
from stream_rec.producers.decisions.places import Place, Places
from stream_rec.schemas.decisions import NAME
from stream_rec.schemas.faults import BadBody, Fault, dotted

_TOML_PLACE = re.compile(r"^(?P<said>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
Body = TypeVar("Body", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Body]):
    """What the tables of a file are.

    Attributes:
        word: what one is called: `scenario`.
        named: a name that one could have.
        example: of a table, for whoever has written none.
        docs: where every field is explained.
        read: a body from a table, as `scenario_of`; raises BadBody.
    """

    word: str
    named: str
    example: str
    docs: str
    read: Callable[[Mapping[str, Any]], Body]


def read_file(path: Path, kind: Kind[Body]) -> dict[str, Body]:
    """The bodies of a file, by name.

    Raises:
        ConfigError: it cannot be read, or what it says is wrong: every mistake with line, column and what was meant.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", fix="give a TOML file, in UTF-8") from None
    return read_text(text, str(path), kind)


def read_text(text: str, where: str, kind: Kind[Body]) -> dict[str, Body]:
    """As `read_file`, of its content; `where` names it in errors."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.match(str(error))
        at, said = (
            (Place(int(found["line"]), int(found["column"])), found["said"])
            if found
            else (Place(1, 1), str(error))
        )
        raise _wrong([_line(where, at, said[:1].lower() + said[1:])], kind.docs) from None
    places, bodies, lines = Places(text), {}, []
    for name, table in tables.items():
        try:
            bodies[name] = _body(name, table, kind)
        except BadBody as error:
            lines += [
                _said(where, places, f"{kind.word} {name}", (name, *fault.path), fault)
                for fault in error.faults
            ]
    if lines:
        raise _wrong(lines, kind.docs)
    if not bodies:
        raise ConfigError(f"{where} holds no {kind.word}", fix=f"write a table for each: {kind.example}")
    return bodies


def as_toml(name: str, body: msgspec.Struct) -> str:
    """The body as such a file has it; only what differs from the defaults."""
    return "\n".join(_table([name], msgspec.to_builtins(body))) + "\n"


def differences(old: Mapping[str, Any], new: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two bodies as they are on the wire, a line for each field."""
    for field in dict.fromkeys([*old, *new]):
        was, now = (each.get(field, defaults.get(field)) for each in (old, new))
        if was != now:
            yield f"{field}: {_value(was)} -> {_value(now)}"


def _body(name: str, table: object, kind: Kind[Body]) -> Body:
    an = "an" if kind.word[0] in "aeiou" else "a"
    if not isinstance(table, dict):
        said = f"{name!r} stands outside of {an} {kind.word}'s table"
        raise BadBody([Fault((), said, f"write the {kind.word}'s name in brackets above it: [{kind.named}]")])
    if not NAME.fullmatch(name):
        fix = "1 to 64 letters, digits, '.', '_' and '-', no '_' first"
        raise BadBody([Fault((), f"{name!r} cannot name {an} {kind.word}", fix)])
    return kind.read(_with_times(table))


def _with_times(value: Any) -> Any:
    """Dates as seconds since the epoch; UTC where they name no zone."""
    if isinstance(value, dict):
        return {name: _with_times(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_times(each) for each in value]
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return value


def _said(where: str, places: Places, whose: str, path: tuple[str | int, ...], fault: Fault) -> str:
    of_key = not fault.path or fault.said.startswith("no field is called")
    at = places.key(path) if of_key else places.value(path, fault.at)
    said = f"{dotted(fault.path)}: {fault.said}" if fault.path else fault.said
    return _line(where, at, f"{whose}: {said}", fault.fix)


def _line(where: str, at: Place, said: str, fix: str = "") -> str:
    return f"{where}:{at.line}:{at.column}: {said}{f' ({fix})' if fix else ''}"


def _wrong(lines: Sequence[str], docs: str) -> ConfigError:
    return ConfigError(
        "nothing was applied:\n  " + "\n  ".join(lines), fix=f"correct the file; {docs} has every field"
    )


def _table(path: Sequence[str], body: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{_name(path)}]"
    yield from _content(path, body)


def _content(path: Sequence[str], body: Mapping[str, Any]) -> Iterator[str]:
    """What stands below a table's head: its fields, then the tables in it."""
    for name, value in body.items():
        if not isinstance(value, dict) and not _is_tables(value):
            yield f"{name} = {_value(value)}"
    for name, value in body.items():
        if isinstance(value, dict):
            yield ""
            yield from _table([*path, name], value)
        elif _is_tables(value):
            for entry in value:
                yield ""
                yield f"[[{_name([*path, name])}]]"
                yield from _content([*path, name], entry)


def _is_tables(value: object) -> bool:
    return (
        isinstance(value, (list, tuple)) and bool(value) and all(isinstance(entry, dict) for entry in value)
    )


def _name(path: Sequence[str]) -> str:
    return ".".join(part if _BARE.fullmatch(part) else json.dumps(part) for part in path)


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_value(each)}" for name, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
