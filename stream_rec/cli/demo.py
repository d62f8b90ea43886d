"""`demo`: see it all work, with nothing installed but this."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import (
    ConfigFile,
    JsonFile,
    Overrides,
    ShapeName,
    SortOrder,
    need_writable,
    read_settings,
    write_json,
)
from stream_rec.cli.replay import STOPPED
from stream_rec.cli.text import width

if TYPE_CHECKING:
    from stream_rec.demo.run import Options

PIPE_WIDTH = 130
MOVIELENS = "movielens-100k"
LANES = 64
"""MovieLens' users came one after the other; at 2,000 events/s each would act hundreds of times a second."""
MOVIELENS_FLAGS = ("--set", "engine.scenarios.default.repeats=false")
"""Nobody rates a film twice."""


def demo(
    data: Annotated[
        str, typer.Option(metavar="FILE|NAME", help="a log of your own, or a data set")
    ] = MOVIELENS,
    rate: Annotated[float, typer.Option(min=1, help="events per second")] = 2000.0,
    limit: Annotated[int, typer.Option(min=1, help="events, at most")] = 100_000,
    shape: ShapeName = "",
    sort: SortOrder = "auto",
    open_: Annotated[
        bool, typer.Option("--open", help="leave it running with its page, until Ctrl-C")
    ] = False,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Start a broker, a Redis and a worker, replay a log, and watch: throughput, lag, freshness, hit-rate."""
    from rich.console import Console

    from stream_rec.demo.run import Interrupted, run_demo

    settings = read_settings(config, set_)
    need_writable(json_file)
    console = Console() if sys.stdout.isatty() else Console(width=min(width(), PIPE_WIDTH))
    try:
        outcome = run_demo(
            replace(_options(data, rate, limit, _flags(config, set_), stays=open_), shape=shape, sort=sort),
            settings,
            console,
        )
    except Interrupted:
        raise typer.Exit(STOPPED) from None
    if json_file is not None:
        write_json(json_file, outcome.flat())
    if outcome.worker_exit_code != 0:
        typer.echo(f"the worker ended with exit code {outcome.worker_exit_code}", err=True)
        raise typer.Exit(1)


def _options(data: str, rate: float, limit: int, flags: list[str], *, stays: bool) -> Options:
    from stream_rec.demo.run import Options

    if data == MOVIELENS:
        return Options(data, rate, limit, LANES, [*MOVIELENS_FLAGS, *flags], stays=stays)
    return Options(data, rate, limit, 1, flags, stays=stays)


def _flags(config: Path | None, overrides: list[str] | None) -> list[str]:
    """What the caller gave, for the worker."""
    flags = [] if config is None else ["--config", str(config)]
    return flags + [part for override in overrides or () for part in ("--set", override)]
