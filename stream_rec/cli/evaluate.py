"""`evaluate`: how well the engine ranks, on a log, by a published protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stream_rec.cli.options import (
    ConfigFile,
    JsonFile,
    Overrides,
    ShapeName,
    SortOrder,
    read_settings,
    write_json,
)
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType

    from stream_rec.offline.datasets.first_events import FirstEvents
    from stream_rec.offline.datasets.reading import Reading
    from stream_rec.offline.evaluate.rules import LearnFrom, Relevant
    from stream_rec.offline.evaluate.run import Progress
    from stream_rec.settings import DataSettings

TsUnit = Literal["auto", "s", "ms", "us", "ns", "iso"]
OTHER_PREFIX = "learning_all_"
"""Of the figures of the second run, where --relevant and --learn-from both make two."""
LINES = 10
"""Lines of progress where stderr is no terminal."""


def evaluate(
    data: Annotated[
        str, typer.Option(metavar="FILE|NAME", help="a log of your own, or a data set", show_default=False)
    ] = "",
    protocol: Annotated[
        Literal["frozen", "streaming", "prequential"],
        typer.Option(
            metavar="PROTOCOL",
            help="frozen: learn split `train`, ask in split `test`; streaming: the same, and learn what was asked; "
            "prequential: ask for every event, then learn it",
        ),
    ] = "prequential",
    k: Annotated[int, typer.Option(min=1, max=200, help="length of a slate")] = 20,
    min_context: Annotated[
        int, typer.Option(min=0, help="ask only with so many events before in the session")
    ] = 1,
    events: Annotated[int | None, typer.Option(min=2, help="only the first so many of the log")] = None,
    sources: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="switch all other sources off")
    ] = None,
    relevant: Annotated[
        str | None, typer.Option(metavar="COLUMN=VALUE", help="only these events are answers, e.g. rating=5")
    ] = None,
    learn_from: Annotated[
        Literal["relevant", "all", "both"],
        typer.Option(help="with --relevant: what is learned; both: one run after the other"),
    ] = "both",
    warmup: Annotated[
        float, typer.Option(min=0, max=0.99, help="this share of the answers is only learned")
    ] = 0.0,
    exclude_seen: Annotated[
        bool, typer.Option("--exclude-seen", help="a user's earlier answers take no part in the ranking")
    ] = False,
    seen_by: Annotated[
        Literal["log", "engine", "ring"],
        typer.Option(help="with --exclude-seen: who knows them: the log, the engine, its last events alone"),
    ] = "log",
    ts_unit: Annotated[
        TsUnit, typer.Option(help="of the time column; auto: inferred from its values")
    ] = "auto",
    shape: ShapeName = "",
    sort: SortOrder = "auto",
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="draw HR and MRR over the stream")
    ] = None,
    json_file: JsonFile = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A.json B.json", help="nothing is run: are two runs' figures different by chance?"
        ),
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Rank what came next in a log, event by event, with the engine that a worker runs; see docs/evaluation.md."""
    if compare is not None:
        _compare(*compare, json_file)
        return
    if not data:
        raise ConfigError(
            "evaluate what?", fix="name a log or a data set: --data FILE|NAME, or --compare two runs"
        )
    from stream_rec.engine.warm import warm_up
    from stream_rec.offline.datasets.reading import Reading
    from stream_rec.offline.evaluate.evaluation import evaluate as run
    from stream_rec.offline.evaluate.outcomes import write_ranks
    from stream_rec.offline.evaluate.plot import plot as draw
    from stream_rec.offline.evaluate.report import report
    from stream_rec.offline.evaluate.rules import Relevant, Rules

    settings = read_settings(config, set_)
    if sources is not None:
        settings = read_settings(config, [*(set_ or ()), *_only(sources, settings.engine.river_sources)])
    answers = None if relevant is None else Relevant.parse(relevant)
    reading = Reading(shape, sort, settings.shapes)
    log = _read(data, settings.data, answers, events, ts_unit, reading)
    typer.echo("warming up (a minute or two where kernels are not compiled yet)", err=True)
    warm_up()
    figures: dict[str, Any] = {"data": data, "protocol": protocol, "k": k, "seed": settings.engine.seed}
    outcomes: list[pl.DataFrame] = []
    for prefix, variant in _variants(answers, learn_from):
        rules = Rules(
            protocol,
            min_context,
            answers,
            variant,
            warmup,
            exclude_seen,
            seen_by,
            settings.engine.session_gap_seconds,
        )
        with progress_shown(f"{data}, {protocol}") as progress:
            evaluation = run(
                log.frame, rules, settings.engine, k=k, progress=progress, catalogue=log.catalogue
            )
        _print(report(data, evaluation))
        figures |= {f"{prefix}{key}": value for key, value in evaluation.flat().items()}
        outcomes.append(evaluation.outcomes.table(prefix))
        if plot is not None:
            draw(plot if not prefix else plot.with_stem(f"{plot.stem}-{variant}"), data, evaluation)
    if json_file is not None:
        write_json(json_file, figures)
        write_ranks(json_file, outcomes)


def _compare(first: Path, second: Path, json_file: Path | None) -> None:
    from stream_rec.offline.evaluate.compare import compare

    found = compare(first, second)
    _print(found.report())
    if json_file is not None:
        write_json(json_file, found.flat())


def _only(sources: str, rivers: tuple[str, ...]) -> list[str]:
    """Overrides that leave these sources on; river's among them are those that the settings name."""
    names = [name.strip() for name in sources.split(",") if name.strip()]
    own = [name for name in names if name not in rivers]
    kept = [name for name in rivers if name in names]
    return [f"engine.sources={own}", f"engine.river_sources={kept}"]


def _variants(
    relevant: Relevant | None, learn_from: Literal["relevant", "all", "both"]
) -> list[tuple[str, LearnFrom]]:
    """Prefix of the figures and what is learned, per run."""
    if relevant is None or learn_from == "relevant":
        return [("", "relevant")]
    if learn_from == "all":
        return [("", "all")]
    return [("", "relevant"), (OTHER_PREFIX, "all")]


def _read(
    name: str,
    data: DataSettings,
    relevant: Relevant | None,
    events: int | None,
    ts_unit: TsUnit,
    reading: Reading,
) -> FirstEvents:
    from stream_rec.offline.datasets.first_events import FirstEvents as Events
    from stream_rec.offline.datasets.mapping import ColumnMapping
    from stream_rec.offline.datasets.named import open_source

    mapping = replace(relevant.mapping() if relevant else ColumnMapping(), ts_unit=ts_unit)
    return Events.of(open_source(name, data, mapping, reading), events)


def _print(renderable: RenderableType) -> None:
    from rich.console import Console

    Console(highlight=False).print(renderable)


@contextmanager
def progress_shown(name: str) -> Iterator[Progress]:
    """A function that shows progress on stderr: a bar in a terminal, some lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(name)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(name: str) -> Progress:
    shown = 0

    def show(done: int, total: int) -> None:
        nonlocal shown
        if done * LINES >= (shown + 1) * total:
            shown = done * LINES // total
            typer.echo(f"{name}: {done:,} of {total:,} events", err=True)

    return show
