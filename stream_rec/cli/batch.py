"""`batch`: models that Spark fits beside the stream."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import (
    ConfigFile,
    JsonFile,
    Overrides,
    need_broker,
    need_store,
    need_writable,
    read_settings,
    write_json,
)
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from stream_rec.batch.source import Source
    from stream_rec.settings import Settings

batch = typer.Typer(name="batch", help="Models that Spark fits beside the stream.", no_args_is_help=True)


@batch.command()
def train(
    space: Annotated[
        str, typer.Option(metavar="NAME", help="vector space that the item factors replace")
    ] = "als",
    log: Annotated[
        bool, typer.Option("--log", help="read the events from Kafka, not from the sink's files")
    ] = False,
    data: Annotated[
        str, typer.Option(metavar="FILE|NAME", help="read a file or a data set, and no events of ours")
    ] = "",
    explicit: Annotated[
        bool, typer.Option("--explicit", help="fit the values of events, as ratings")
    ] = False,
    rank: Annotated[int, typer.Option(min=1, max=1024, help="numbers of a factor")] = 32,
    iterations: Annotated[int, typer.Option(min=1, max=100, help="of both sides")] = 10,
    regularization: Annotated[float, typer.Option(min=0, help="MLlib's regParam")] = 0.1,
    alpha: Annotated[float, typer.Option(min=0, help="what an interest is worth; not with --explicit")] = 1.0,
    holdout: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="the latest share of the events, measured on; 0 = not measured"),
    ] = 0.1,
    master: Annotated[str, typer.Option(help="Spark's master URL")] = "local[*]",
    memory: Annotated[str, typer.Option(help="of Spark's driver; on one machine, all there is")] = "4g",
    mlflow: Annotated[
        str, typer.Option(metavar="URL", help="MLflow's tracking URL: record the training there")
    ] = "",
    publish: Annotated[bool, typer.Option(help="put the factors into the topic `vectors`")] = True,
    slates: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCENARIO", help="write slates for users whom the stream does not know; may be repeated"
        ),
    ] = None,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Fit ALS on the events, measure it on the latest of them, and publish its item factors as a vector space."""
    from stream_rec.batch import als, publishing, spark, tracking
    from stream_rec.batch import slates as batch_slates

    need_writable(json_file)
    if log and data:
        raise ConfigError("--log and --data exclude each other", fix="give one of them")
    settings = read_settings(config, set_)
    if log or publish or slates:
        need_broker(settings)
    asked = None
    if slates:
        need_store(settings)
        asked = batch_slates.ask(settings, slates)
    plan = als.Plan(explicit, rank, iterations, regularization, alpha, holdout)
    with _events(settings, log, data) as events, spark.session(master, memory) as session:
        rows = session.read.parquet(*events.paths)
        rows = asked.people.applied(rows) if asked is not None else rows
        trained = als.train(rows, settings.engine.event_types, plan)
        figures = trained.figures
        for name, value in trained.metrics.items():
            typer.echo(f"{name} {value:,.4g}")
        typer.echo(f"order of slates: {trained.order_in_words}")
        if mlflow:
            parameters = {name: getattr(plan, name) for name in plan.__slots__} | {
                "data_digest": events.digest
            }
            made = tracking.record(trained, parameters, url=mlflow, model=f"{settings.bus.prefix}{space}")
            typer.echo(f"MLflow: run {made.run_id}, version {made.version}, alias {tracking.CHALLENGER}")
        if publish:
            n = publishing.publish(trained, settings, space)
            typer.echo(f"{n:,} vectors of {space} published")
        if asked is not None:
            found = batch_slates.write(trained, settings, asked, model=f"{space}@{events.digest}")
            typer.echo(f"slates of {', '.join(asked.k)}: {found.in_words}")
            figures |= {f"slates_{name}": value for name, value in found._asdict().items()}
    if json_file is not None:
        write_json(json_file, figures | {"data_digest": events.digest})


def _events(settings: Settings, log: bool, data: str) -> AbstractContextManager[Source]:
    from stream_rec.batch import source

    if data:
        return source.of_data(data, settings)
    return source.of_log(settings) if log else nullcontext(source.of_sink(settings))
