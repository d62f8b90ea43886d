"""Scenarios in TOML files, one table each; times may be TOML's dates."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec

from stream_rec.errors import ConfigError
from stream_rec.producers.scenarios.places import Place, Places
from stream_rec.schemas.decisions import SCENARIO_NAME
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_check import BadScenario, Fault, dotted, scenario_of

_TOML_PLACE = re.compile(r"^(?P<said>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_file(path: Path) -> dict[str, Scenario]:
    """The scenarios of a file, by name.

    Raises:
        ConfigError: it cannot be read, or what it says is wrong: every mistake with line, column and what was meant.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", fix="give a TOML file, in UTF-8") from None
    return read_text(text, str(path))


def read_text(text: str, where: str) -> dict[str, Scenario]:
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
        raise _wrong([_line(where, at, said[:1].lower() + said[1:])]) from None
    places, scenarios, lines = Places(text), {}, []
    for name, table in tables.items():
        try:
            scenarios[name] = _scenario(name, table)
        except BadScenario as error:
            lines += [_said(where, places, name, fault) for fault in error.faults]
    if lines:
        raise _wrong(lines)
    if not scenarios:
        raise ConfigError(
            f"{where} holds no scenario", fix="write a table for each: [home], then k = 12 and so on"
        )
    return scenarios


def as_toml(name: str, scenario: Scenario) -> str:
    """The scenario as such a file has it; only what differs from the defaults."""
    body = msgspec.to_builtins(scenario)
    return "\n".join(_table([name], body)) + "\n"


def changes(before: Scenario | None, after: Scenario | None) -> Iterator[str]:
    """What differs, a line for each field; nothing if they say the same."""
    old, new = (msgspec.to_builtins(each or Scenario()) for each in (before, after))
    if before is None and after is not None:
        yield "it is new"
    if after is None and before is not None:
        yield "it is taken back"
        return
    defaults = msgspec.to_builtins(_WithDefaults())
    for field in dict.fromkeys([*old, *new]):
        was, now = (each.get(field, defaults.get(field)) for each in (old, new))
        if was != now:
            yield f"{field}: {_value(was)} -> {_value(now)}"


def _scenario(name: str, table: object) -> Scenario:
    if not isinstance(table, dict):
        said = f"{name!r} stands outside of a scenario's table"
        raise BadScenario([Fault((), said, "write the scenario's name in brackets above it: [default]")])
    if not SCENARIO_NAME.fullmatch(name):
        raise BadScenario(
            [
                Fault(
                    (),
                    f"{name!r} cannot name a scenario",
                    "1 to 64 letters, digits, '.', '_' and '-', no '_' first",
                )
            ]
        )
    return scenario_of(_with_times(table))


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


def _said(where: str, places: Places, name: str, fault: Fault) -> str:
    path = (name, *fault.path)
    of_key = not fault.path or fault.said.startswith("no field is called")
    at = places.key(path) if of_key else places.value(path, fault.at)
    said = f"{dotted(fault.path)}: {fault.said}" if fault.path else fault.said
    return _line(where, at, f"scenario {name}: {said}", fault.fix)


def _line(where: str, at: Place, said: str, fix: str = "") -> str:
    return f"{where}:{at.line}:{at.column}: {said}{f' ({fix})' if fix else ''}"


def _wrong(lines: Sequence[str]) -> ConfigError:
    return ConfigError(
        "nothing was applied:\n  " + "\n  ".join(lines),
        fix="correct the file; docs/control.md has every field",
    )


def _table(path: Sequence[str], body: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{_name(path)}]"
    yield from _fields(body)
    for name, value in body.items():
        if isinstance(value, dict):
            yield ""
            yield from _table([*path, name], value)
        elif _is_tables(value):
            for entry in value:
                yield ""
                yield f"[[{_name([*path, name])}]]"
                yield from _fields(entry)


def _fields(body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        if not isinstance(value, dict) and not _is_tables(value):
            yield f"{name} = {_value(value)}"


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


class _WithDefaults(Scenario, frozen=True, omit_defaults=False):
    """A scenario that says its defaults, too."""
