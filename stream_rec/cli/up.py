"""`up`: a broker and a Redis that stay until Ctrl-C."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from stream_rec.cli.options import ConfigFile, Overrides, read_settings
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from stream_rec.settings import Settings

LOOK_SECONDS = 0.2


def up(
    broker: Annotated[
        Literal["tansu", "kafka"], typer.Option(help="embedded, or Apache Kafka (Java, Maven)")
    ] = "tansu",
    write: Annotated[
        bool, typer.Option("--write", help="addresses into ./stream-rec.toml, until the end")
    ] = False,
    logs: Annotated[Path | None, typer.Option(metavar="DIR", help="keep the servers' logs there")] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Start a broker and a Redis on free ports of 127.0.0.1, create the topics, and stay until Ctrl-C."""
    from stream_rec.bus.topics import ensure_topics
    from stream_rec.embedded.stack import start_stack, without_addresses
    from stream_rec.producers.feed.stopping import stop_on_signals
    from stream_rec.settings import DEFAULT_FILE

    settings = without_addresses(read_settings(config, set_))
    with stop_on_signals() as stop, start_stack(settings, broker=broker, log_dir=logs) as stack:
        ensure_topics(stack.settings.bus)
        with _written(Path(DEFAULT_FILE), stack.settings) if write else _printed(stack.settings):
            while not stop():
                stack.check()
                time.sleep(LOOK_SECONDS)


@contextmanager
def _written(path: Path, settings: Settings) -> Iterator[None]:
    """The addresses in a settings file, which is deleted at the end unless it was edited.

    Raises:
        ConfigError: there is such a file already, or it cannot be written.
    """
    from stream_rec.settings.addresses_file import text_of

    text = text_of(settings.bus.bootstrap, settings.store.url)
    with _taken(path) as file:
        file.write(text)
        file.flush()
        typer.echo(f"up: bus.bootstrap and store.url are in {path.absolute()} (Ctrl-C ends both)")
        try:
            yield
        finally:
            if path.is_file() and path.read_text() == text:
                path.unlink()


def _taken(path: Path) -> TextIO:
    """A new file, locked before there is anything to read: who reads it asks whether we live."""
    from stream_rec.settings.addresses_file import is_left_over

    try:
        if is_left_over(path):
            path.unlink()
        file = path.open("x")
        with suppress(OSError):  # a file system without locks: then it is taken for a living one's
            fcntl.flock(file, fcntl.LOCK_EX)
    except FileExistsError:
        raise ConfigError(
            f"{path.absolute()} is there already",
            fix="run `up` in another folder, or without --write: it prints the addresses as environment variables, "
            "which go beside a file of settings",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"cannot write {path.absolute()}: {error.strerror}", fix="use another folder"
        ) from error
    return file


@contextmanager
def _printed(settings: Settings) -> Iterator[None]:
    typer.echo("up (Ctrl-C ends both); for other terminals:")
    typer.echo(f"export STREAM_REC__BUS__BOOTSTRAP={settings.bus.bootstrap}")
    typer.echo(f"export STREAM_REC__STORE__URL={settings.store.url}")
    yield
