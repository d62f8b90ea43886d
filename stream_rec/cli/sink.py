"""`sink`: the log as Parquet files, and what is in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, table, width
from stream_rec.errors import ConfigError
from stream_rec.settings.sink import SinkTopic

if TYPE_CHECKING:
    from stream_rec.settings import Settings

sink = typer.Typer(name="sink", help="The log as Parquet files by hour, every record once.")
Url = Annotated[
    str | None,
    typer.Option(metavar="URL", help="folder or fsspec URL; by default sink.url", show_default=False),
]


@sink.callback(invoke_without_command=True)
def run(context: typer.Context, url: Url = None, config: ConfigFile = None, set_: Overrides = None) -> None:
    """Write events, items, impressions and slates until SIGTERM or Ctrl-C: then write what is pending, and leave."""
    if context.invoked_subcommand is not None:
        return
    from contextlib import closing

    from stream_rec.bus.topics import missing_topics, partition_counts
    from stream_rec.clock import SystemClock
    from stream_rec.producers.feed.stopping import stop_on_signals
    from stream_rec.sink.sink import Sink

    settings = _settings(url, config, set_)
    need_broker(settings)
    with stop_on_signals() as stop:
        there = partition_counts(settings.bus, settings.sink.topics)
        if missing := [name for name in settings.sink.topics if name not in there]:
            raise missing_topics(settings.bus, missing)
        with closing(Sink(settings, SystemClock())) as writer:
            writer.run(stop)
    done = writer.totals
    typer.echo(
        f"{done.records:,} records in {done.files:,} files ({done.n_bytes:,} bytes); "
        f"{done.rejected:,} messages that are no records"
    )


@sink.command()
def files(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="events, items, impressions or slates")],
    url: Url = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Print the files that hold every record of a topic once, one a line, for readers that take a list."""
    from stream_rec.sink.folder import SinkFolder
    from stream_rec.sink.reading import files_of

    if topic not in get_args(SinkTopic):
        raise ConfigError(f"the sink writes no {topic!a}", fix=f"one of {', '.join(get_args(SinkTopic))}")
    folder = SinkFolder(_settings(url, config, set_).sink)
    for file in files_of(folder, topic):
        typer.echo(folder.address(file))


@sink.command()
def check(
    as_json: JsonFlag = False, url: Url = None, config: ConfigFile = None, set_: Overrides = None
) -> None:
    """Does any offset stand in no file, or in two? Exit code 1 if one does."""
    from stream_rec.sink.folder import SinkFolder
    from stream_rec.sink.reading import files_of, stretches

    settings = _settings(url, config, set_)
    folder = SinkFolder(settings.sink)
    found = [each for topic in settings.sink.topics for each in stretches(files_of(folder, topic))]
    if as_json:
        print(json.dumps([{**each._asdict(), "tp": str(each.tp)} for each in found]))
    else:
        names = ("partition", "log", "files", "first", "last", "missing", "doubled")
        columns = [Column(name, is_number=name not in names[:2]) for name in names]
        rows = [(str(each.tp), each.log, *(f"{n:,}" for n in each[2:])) for each in found]
        print(*table(columns, rows, width()), sep="\n")
    if any(each.missing or each.doubled for each in found):
        raise typer.Exit(1)


def _settings(url: str | None, config: ConfigFile, overrides: list[str] | None) -> Settings:
    return read_settings(config, [*(overrides or ()), *([f"sink.url={url}"] if url else ())])
