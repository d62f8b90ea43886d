"""`scenario`: what slates are, changed while workers run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, plain, say, table, width

if TYPE_CHECKING:
    from stream_rec.producers.scenarios.apply import Scenarios, Version
    from stream_rec.schemas.scenario import Scenario
    from stream_rec.settings import Settings

scenario = typer.Typer(
    name="scenario",
    help="What slates are: rules, in force on every worker within seconds.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="of the scenario")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="TOML, one table for each scenario")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="why, for who reads the history")]
_COLUMNS = (
    Column("name"),
    Column("logic"),
    Column("k", is_number=True),
    Column("is"),
    Column("since"),
    Column("by"),
)
_VERSIONS = (
    Column("offset", is_number=True),
    Column("at"),
    Column("by"),
    Column("note"),
    Column("what", is_prose=True),
)


@scenario.command()
def apply(
    file: File,
    note: Note = "",
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Put the scenarios of a file in force. Those that it does not name stay as they are."""
    from stream_rec.producers.scenarios.file import read_file

    wanted = read_file(file)
    settings = read_settings(config, set_)
    found = _scenarios(settings)
    changed = list(found.changed(wanted))
    asks_in_vain = _asks_in_vain(settings, wanted)
    acks = found.apply({name: after for name, _, after in changed}, note) if changed else []
    if as_json:
        applied = {name: ack.offset for (name, _, _), ack in zip(changed, acks, strict=True)}
        unchanged = sorted({*wanted} - {*applied})
        print(json.dumps({"applied": applied, "unchanged": unchanged, "warnings": asks_in_vain}, indent=2))
        return
    _print_changes((name, before, after) for name, before, after in changed)
    _print_warnings(asks_in_vain)
    for (name, _, _), ack in zip(changed, acks, strict=True):
        print(f"{name}: in force as of control offset {ack.offset}")
    for name in wanted:
        if name not in {each for each, _, _ in changed}:
            print(f"{name}: unchanged")


@scenario.command("list")
def list_(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """All scenarios, with those of the settings."""
    found = _scenarios(read_settings(config, set_)).in_force()
    if as_json:
        print(json.dumps({name: _plain(version) for name, version in found.items()}, indent=2))
        return
    rows = [
        [
            name,
            version.scenario.logic,
            str(version.scenario.k),
            _state(version.scenario),
            _when(version),
            _by(version),
        ]
        for name, version in found.items()
        if version.scenario is not None
    ]
    print(*table(_COLUMNS, rows, width()), sep="\n")


@scenario.command()
def show(name: Name, as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """One scenario, as `apply` takes it: what differs from the defaults."""
    from stream_rec.producers.scenarios.file import as_toml

    version = _scenarios(read_settings(config, set_)).one(name)
    if as_json:
        print(json.dumps(_plain(version), indent=2))
    elif version.scenario is not None:
        print(as_toml(name, version.scenario), end="")


@scenario.command()
def diff(file: File, as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """What `apply FILE` would change. Exit code 1 if anything."""
    from stream_rec.producers.scenarios.file import changes, read_file

    settings = read_settings(config, set_)
    wanted = read_file(file)
    changed = list(_scenarios(settings).changed(wanted))
    asks_in_vain = _asks_in_vain(settings, wanted)
    if as_json:
        print(json.dumps({name: list(changes(before, after)) for name, before, after in changed}, indent=2))
    else:
        _print_changes(changed)
    _print_warnings(asks_in_vain)
    if changed:
        raise typer.Exit(1)


@scenario.command()
def history(name: Name, as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """What a scenario was, oldest first, as far as the log has it."""
    from stream_rec.producers.scenarios.file import changes

    versions = _scenarios(read_settings(config, set_)).history(name)
    if as_json:
        print(json.dumps([_plain(version) for version in versions], indent=2))
        return
    befores = [None, *(version.scenario for version in versions)]
    rows = [
        [
            str(each.offset),
            _when(each),
            _by(each),
            plain(each.note),
            "; ".join(changes(before, each.scenario)),
        ]
        for before, each in zip(befores, versions, strict=False)
    ]
    print(*table(_VERSIONS, rows, width()), sep="\n")


@scenario.command()
def rollback(
    name: Name,
    to: Annotated[
        int | None,
        typer.Option("--to", metavar="OFFSET", help="of the history; by default the version before"),
    ] = None,
    note: Note = "",
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Put an earlier version in force again."""
    found = _scenarios(read_settings(config, set_))
    version, now = found.version_before(name, to), found.in_force().get(name)
    said = note or f"rolled back to offset {version.offset}"
    if version.scenario is None:
        ack = found.take_back(name)
    else:
        _print_changes([(name, now.scenario if now else None, version.scenario)])
        (ack,) = found.apply({name: version.scenario}, said)
    print(f"{name}: in force as of control offset {ack.offset}")


@scenario.command()
def remove(name: Name, config: ConfigFile = None, set_: Overrides = None) -> None:
    """Take a scenario's record back: that of the settings is in force again, or there is none."""
    ack = _scenarios(read_settings(config, set_)).take_back(name)
    print(f"{name}: taken back as of control offset {ack.offset}")


def _scenarios(settings: Settings) -> Scenarios:
    from stream_rec.producers.scenarios.apply import Scenarios

    need_broker(settings)
    return Scenarios(settings)


def _asks_in_vain(settings: Settings, wanted: Mapping[str, Scenario]) -> dict[str, list[str]]:
    """What these scenarios ask for that no item has."""
    from stream_rec.serve.rule_warnings import known_names, warnings

    return warnings(wanted, known_names(settings.store))


def _print_warnings(asks_in_vain: Mapping[str, list[str]]) -> None:
    for name, sentences in asks_in_vain.items():
        for sentence in sentences:
            say(f"warning: {name}: {sentence}", indent="  ", err=True)


def _print_changes(changed: Iterable[tuple[str, Scenario | None, Scenario]]) -> None:
    from stream_rec.producers.scenarios.file import changes

    for name, before, after in changed:
        for line in changes(before, after):
            say(f"{name}: {line}", indent="  ")


def _state(of: Scenario) -> str:
    from stream_rec.clock import SystemClock

    now = SystemClock().now()
    if not of.on:
        return "off"
    if now < of.valid_from:
        return "not yet"
    return "on" if of.is_valid_at(now) else "over"


def _when(version: Version) -> str:
    return datetime.fromtimestamp(version.ts, UTC).isoformat(timespec="seconds") if version.ts else ""


def _by(version: Version) -> str:
    return "settings" if version.offset < 0 else plain(version.by)


def _plain(version: Version) -> Mapping[str, Any]:
    import msgspec

    return {
        "offset": version.offset,
        "ts": version.ts,
        "by": version.by,
        "note": version.note,
        "scenario": msgspec.to_builtins(version.scenario),
    }
