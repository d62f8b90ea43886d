"""`bench`: the commands that produce every figure in the docs. Progress on stderr, the figures on stdout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.commands.options import ConfigFile, JsonFile, Overrides, read_settings, write_json

if TYPE_CHECKING:
    from stream_rec.bench.harness import Figures

bench = typer.Typer(
    name="bench",
    help="Measure this machine: every figure in the docs is printed by one of these.",
    no_args_is_help=True,
)
Repeats = Annotated[int, typer.Option(min=1, help="runs of each arm; figures are medians")]


@bench.command()
def pipeline(
    repeats: Repeats = 3,
    seconds: Annotated[float, typer.Option(min=1, help="each run takes at least this long")] = 30.0,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """The whole way of the data, against a plain Faust agent that does nothing."""
    from stream_rec.bench import harness, pipeline

    settings = read_settings(config, set_)
    figures = pipeline.run(settings, harness.say_on_stderr, repeats=repeats, min_seconds=seconds)
    _report(figures, json_file)


@bench.command()
def freshness(
    rate: Annotated[float, typer.Option(min=1, help="events per second")] = 500.0,
    repeats: Repeats = 3,
    seconds: Annotated[float, typer.Option(min=1, help="of each run")] = 20.0,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Publish to readable slate, against the same path without an engine."""
    from stream_rec.bench import freshness, harness

    settings = read_settings(config, set_)
    figures = freshness.run(settings, harness.say_on_stderr, rate=rate, repeats=repeats, seconds=seconds)
    _report(figures, json_file)


@bench.command()
def engine(
    events: Annotated[int | None, typer.Option(min=1, help="of each data set; by default all")] = None,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Events learned and slates made per second by the engine alone, on one thread."""
    from stream_rec.bench import engine, harness

    _report(engine.run(read_settings(config, set_), harness.say_on_stderr, max_events=events), json_file)


@bench.command()
def memory(json_file: JsonFile = None, config: ConfigFile = None, set_: Overrides = None) -> None:
    """What a full engine weighs, with every bound reached."""
    from stream_rec.bench import harness, memory

    _report(memory.run(read_settings(config, set_), harness.say_on_stderr), json_file)


def _report(figures: Figures, json_file: Path | None) -> None:
    from stream_rec.bench.harness import shown

    width = max(map(len, figures))
    for name, value in figures.items():
        typer.echo(f"{name:<{width}}  {shown(value)}")
    if json_file is not None:
        write_json(json_file, figures)
