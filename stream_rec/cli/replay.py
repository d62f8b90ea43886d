"""`replay`: publish a log again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream_rec.cli.options import ConfigFile, Overrides, ShapeName, SortOrder, need_broker, read_settings
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_rec.producers.feed.feed import Progress
    from stream_rec.producers.feed.pace import Pace

STOPPED = 130
"""Exit code after Ctrl-C or SIGTERM, as shells have it."""
LINE_SECONDS = 5.0

_COLUMN = "column name; by default inferred"
Column = str | None


def replay(
    source: Annotated[
        str, typer.Argument(help="file (CSV, JSON Lines, also .gz; Parquet) or data set's name")
    ],
    rate: Annotated[float | None, typer.Option(help="events per second; by default unthrottled")] = None,
    speed_up: Annotated[float | None, typer.Option(help="by event time, this many times as fast")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="maximum number of events of this run")
    ] = None,
    items: Annotated[
        bool, typer.Option(help="publish items, too: the data set's, or those in the file")
    ] = True,
    resume: Annotated[bool, typer.Option(help="resume where an earlier run was stopped")] = True,
    resume_file: Annotated[
        Path | None, typer.Option(help="where that is kept; by default in the cache folder")
    ] = None,
    user_id: Annotated[Column, typer.Option(help=_COLUMN)] = None,
    item_id: Annotated[Column, typer.Option(help=_COLUMN)] = None,
    ts: Annotated[Column, typer.Option(help=_COLUMN)] = None,
    event_type: Annotated[Column, typer.Option(help=_COLUMN)] = None,
    session_id: Annotated[Column, typer.Option(help=_COLUMN)] = None,
    value: Annotated[Column, typer.Option(help=_COLUMN)] = None,
    event_id: Annotated[Column, typer.Option(help=_COLUMN)] = None,
    context: Annotated[list[str] | None, typer.Option(help="column for the context; repeatable")] = None,
    ts_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns", "iso"],
        typer.Option(
            metavar="UNIT", help="of the time column: auto (inferred from its values), s, ms, us, ns or iso"
        ),
    ] = "auto",
    default_event_type: Annotated[str, typer.Option(help="where there is no such column")] = "view",
    separator: Annotated[str, typer.Option(help="between columns of a CSV file")] = ",",
    shape: ShapeName = "",
    sort: SortOrder = "auto",
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Publish a log's events in its order. After Ctrl-C, the same command resumes exactly there."""
    from stream_rec.offline.datasets.mapping import ColumnMapping
    from stream_rec.offline.datasets.named import load_items, open_source
    from stream_rec.offline.datasets.reading import Reading
    from stream_rec.producers.feed.stopping import stop_on_signals
    from stream_rec.producers.publisher.publisher import Publisher
    from stream_rec.producers.replay.replay import replay as run
    from stream_rec.producers.replay.replay import resume_file as resume_at

    settings = read_settings(config, set_)
    need_broker(settings)
    mapping = ColumnMapping(
        user_id=user_id,
        item_id=item_id,
        ts=ts,
        event_type=event_type,
        session_id=session_id,
        value=value,
        event_id=event_id,
        context=tuple(context or ()),
        ts_unit=ts_unit,
        default_event_type=default_event_type,
        separator=separator,
    )
    log = open_source(source, settings.data, mapping, Reading(shape, sort, settings.shapes))
    pace = _pace(rate, speed_up)
    with Publisher(settings.bus, settings.ingest) as publisher, stop_on_signals() as stop:
        if items and (catalogue := load_items(source, settings.data)):
            publisher.publish_all(catalogue)
            typer.echo(f"{len(catalogue):,} items published", err=True)
        with progress_shown(log.name) as shown:
            done = run(
                log,
                publisher,
                pace=pace,
                resume=resume_at(log, settings.bus, resume_file) if resume else None,
                limit=limit,
                catalogue=items,
                stop=stop,
                on_progress=shown,
            )
    summarize(done, "the same command resumes from here" if resume else "")


def _pace(rate: float | None, speed_up: float | None) -> Pace:
    from stream_rec.producers.feed.pace import EventTime, FullSpeed, PerSecond

    if rate is not None and speed_up is not None:
        raise ConfigError("--rate and --speed-up exclude each other", fix="give one of them")
    if rate is not None:
        return PerSecond(rate)
    return FullSpeed() if speed_up is None else EventTime(speed_up)


@contextmanager
def progress_shown(name: str) -> Iterator[Callable[[Progress], None]]:
    """A function that shows progress on stderr: a bar in a terminal, a line every `LINE_SECONDS` elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(name)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, TextColumn("{task.fields[figures]}"), console=console, transient=True) as bar:
        task = bar.add_task(name, total=None, figures="")

        def show(progress: Progress) -> None:
            figures = f"{progress.n_acknowledged:,} events, {progress.events_per_s:,.0f}/s"
            total = None if progress.fraction is None else 1.0
            bar.update(task, total=total, completed=progress.fraction or 0.0, figures=figures)

        yield show


def _lines(name: str) -> Callable[[Progress], None]:
    due = LINE_SECONDS

    def show(progress: Progress) -> None:
        nonlocal due
        if progress.seconds >= due:
            due = progress.seconds + LINE_SECONDS
            done = "" if progress.fraction is None else f" {progress.fraction:.0%}"
            figures = f"{progress.n_acknowledged:,} events, {progress.events_per_s:,.0f}/s"
            typer.echo(f"{name}:{done} {figures}", err=True)

    return show


def summarize(progress: Progress, if_stopped: str) -> None:
    """Print what a run did; exit with `STOPPED` if it was stopped.

    Args:
        progress: at its end.
        if_stopped: note printed if it was stopped; empty = none.
    """
    typer.echo(
        f"{progress.n_acknowledged:,} events published in {progress.seconds:.1f} s ({progress.events_per_s:,.0f}/s)"
    )
    if progress.beside:
        typer.echo(
            " and ".join(f"{n:,} {topic}" for topic, n in sorted(progress.beside.items())) + " published"
        )
    if progress.n_bad:
        typer.echo(f"rows that are not valid events, skipped: {progress.n_bad:,}", err=True)
    for line in progress.faults.lines():
        typer.echo(f"  {line}", err=True)
    if progress.stopped:
        typer.echo(f"stopped{'; ' if if_stopped else ''}{if_stopped}", err=True)
        raise typer.Exit(STOPPED)
