"""`snapshot`: what workers start from: listed, checked, rolled back to, deleted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, say, table, width

if TYPE_CHECKING:
    from stream_rec.history.snapshots.store import SnapshotInfo, SnapshotStore

snapshot = typer.Typer(
    name="snapshot",
    help="Snapshots of what the workers have learned, in the folder or at the URL that snapshot.url names.",
    no_args_is_help=True,
)
_COLUMNS = (
    Column("name"),
    Column("written (UTC)"),
    Column("events", is_number=True),
    Column("MiB", is_number=True),
    Column("problem", is_prose=True),
)
Name = Annotated[str, typer.Argument(help="as `stream-rec snapshot list` shows it; by default the newest")]


@snapshot.command("list")
def list_(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """Show all snapshots, newest first; those that cannot be used say why."""
    from stream_rec.history.snapshots.store import SnapshotStore

    infos = SnapshotStore(read_settings(config, set_).snapshot).list()
    if as_json:
        print(json.dumps([_plain(info) for info in infos], indent=2))
        return
    if not infos:
        typer.echo("no snapshots", err=True)
        return
    print(*_table(infos), sep="\n")


@snapshot.command()
def verify(
    name: Name = "",
    log: Annotated[
        bool,
        typer.Option("--log", help="also ask Kafka whether the log is the snapshot's and reaches as far"),
    ] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Compare every byte with its checksums. Exit code 0: whole; 2: not to be used, and why."""
    from stream_rec.history.snapshots.store import SnapshotStore

    settings = read_settings(config, set_)
    store = SnapshotStore(settings.snapshot)
    info = store.verify(name or _newest(store))
    print(*_table([info]), sep="\n")
    if log:
        from stream_rec.history.snapshots.facts import ask_facts, check_log

        need_broker(settings)
        for (topic, partition), n in check_log(store.header(info.name), ask_facts(settings.bus)).items():
            say(f"{topic}/{partition}: {n:,} records were deleted before they could be learned")


@snapshot.command()
def restore(
    name: Name = "",
    promote: Annotated[
        bool, typer.Option("--promote", help="then make it the newest: workers that start now start from it")
    ] = False,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Load a snapshot into an engine with these settings; show what it holds, and its digest.

    To roll back: stop all workers, `stream-rec snapshot restore NAME --promote`, start them.
    """
    from stream_rec.clock import SystemClock
    from stream_rec.history.snapshots.store import SnapshotStore

    settings = read_settings(config, set_)
    store = SnapshotStore(settings.snapshot)
    name = name or _newest(store)
    # Heavy: not before it is known that there is something to load.
    from stream_rec.engine.engine import Engine

    engine = Engine(settings.engine, settings.measure)
    info = store.load(name, engine)
    shown = _plain(info) | {"digest": engine.digest(), **engine.stats()}
    if promote:
        shown["promoted_to"] = store.promote(info.name, SystemClock()).name
    if as_json:
        print(json.dumps(shown, indent=2))
        return
    columns = (Column("", is_number=False), Column("", is_prose=True))
    print(*table(columns, [(key, _shown(value)) for key, value in shown.items()], width()), sep="\n")


@snapshot.command()
def prune(
    keep: Annotated[
        int | None, typer.Option(min=1, help="number to keep; by default snapshot.keep", show_default=False)
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Delete all but the newest snapshots of each log and kind, and what writers left that died.

    Workers do so after each snapshot, with those of their own log.
    """
    from stream_rec.clock import SystemClock
    from stream_rec.history.snapshots.store import SnapshotStore

    for file in SnapshotStore(read_settings(config, set_).snapshot).prune(SystemClock().now(), keep):
        typer.echo(f"deleted {file}")


@snapshot.command()
def delete(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="as `stream-rec snapshot list` shows them")
    ],
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Delete snapshots by name: also those that cannot be read, which nothing else deletes."""
    from stream_rec.history.snapshots.store import SnapshotStore

    store = SnapshotStore(read_settings(config, set_).snapshot)
    for name in names:
        store.delete(name)
        typer.echo(f"deleted {name}")


def _newest(store: SnapshotStore) -> str:
    from stream_rec.errors import ConfigError

    infos = store.list()
    if not infos:
        raise ConfigError("there are no snapshots", fix="look at snapshot.url, or let a worker write one")
    # If none can be read, whoever reads it says why.
    return next((info.name for info in infos if not info.problem), infos[0].name)


def _plain(info: SnapshotInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "created": datetime.fromtimestamp(info.created, UTC).isoformat(timespec="seconds"),
        "events": info.n_events,
        "mib": round(info.size / 2**20, 1),
        "positions": {
            f"{topic}/{partition}": offset for (topic, partition), offset in info.positions.items()
        },
        "problem": info.problem,
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {n:,}" for name, n in value.items())
    return value if isinstance(value, str) else f"{value:,}"


def _table(infos: Sequence[SnapshotInfo]) -> list[str]:
    rows = [
        (
            info.name,
            datetime.fromtimestamp(info.created, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "" if info.problem else f"{info.n_events:,}",
            "" if info.problem else f"{info.size / 2**20:,.1f}",
            info.problem,
        )
        for info in infos
    ]
    return table(_COLUMNS, rows, width())
