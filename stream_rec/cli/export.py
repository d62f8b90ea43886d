"""`export`: what the engine has learned, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile, Overrides, need_writable, read_settings
from stream_rec.errors import ConfigError

export = typer.Typer(
    name="export", help="What the engine has learned, in forms that other programs run.", no_args_is_help=True
)


@export.command()
def onnx(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="to write, e.g. ranker.onnx")],
    name: Annotated[str, typer.Option("--snapshot", metavar="NAME", help="by default the newest")] = "",
    queries: Annotated[
        int, typer.Option("--check", min=0, help="users whose rankings are compared with the engine's")
    ] = 1000,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Write the ranker of a snapshot as an ONNX model, and compare it with the engine. Exit code 1: they differ."""
    from stream_rec.export.onnx import OPSET, TOLERANCE, check, known_users, model_of
    from stream_rec.history.snapshots.store import SnapshotStore

    settings = read_settings(config, set_)
    store = SnapshotStore(settings.snapshot)
    if not name and not (there := store.list()):
        raise ConfigError("there are no snapshots", fix="run a worker with snapshot.url set")
    need_writable(file)
    from stream_rec.engine.engine import Engine

    engine = Engine(settings.engine, settings.measure)
    info = store.load(name or there[0].name, engine)
    model = model_of(engine)
    checked = check(model, engine, known_users(engine, queries)) if queries else None
    file.write_bytes(model)
    typer.echo(f"{file}: ranker of snapshot {info.name}, opset {OPSET}, {len(model):,} bytes")
    if checked is None:
        return
    typer.echo(
        f"{checked.queries:,} users, {checked.candidates:,} candidates: scores differ by {checked.largest:.1e} "
        f"at most, {checked.other_orders:,} orders differ"
    )
    if checked.largest > TOLERANCE or checked.other_orders:
        raise typer.Exit(1)
