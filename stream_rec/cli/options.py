"""What every command takes: where settings come from, and where figures go."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from rich.text import Text

    from stream_rec.settings import Settings

_SHOWN_BYTES = 24
"""Of a message that is no text."""
_NO_BREAK = "\N{NO-BREAK SPACE}"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="settings file; by default stream-rec.toml, if there"
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="one setting; repeatable"),
]
ShapeName = Annotated[
    str,
    typer.Option("--shape", metavar="NAME", help="of \\[shapes.NAME], or a preset; by default recognised"),
]
SortOrder = Annotated[
    Literal["auto", "time", "none"],
    typer.Option(
        "--sort", metavar="ORDER", help="time, none (as it stands) or auto: by the shape, or refused"
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="also write the figures there")]


def read_settings(config: Path | None, overrides: list[str] | None) -> Settings:
    """The settings tree from file, environment and flags. Its secrets are masked in whatever is logged from now on.

    Raises:
        ConfigError: as `stream_rec.settings.load`.
    """
    from stream_rec import logs
    from stream_rec.settings import DEFAULT_FILE, load
    from stream_rec.settings.addresses_file import is_left_over
    from stream_rec.settings.masking import hide
    from stream_rec.settings.table import secrets

    settings, _ = load(file=config, flags=overrides or ())
    hide(secrets(settings))
    if config is None and is_left_over(Path(DEFAULT_FILE)):
        logs.get("settings").warning(
            "not read: its `stream-rec up` was killed, and its servers are gone",
            file=DEFAULT_FILE,
            fix="run `stream-rec up --write` again: it takes its place",
        )
    return settings


def need_broker(settings: Settings) -> None:
    """Refuse to go on without a broker's address: a private embedded broker would have nobody to talk to.

    Raises:
        ConfigError: `bus.bootstrap` is empty.
    """
    if not settings.bus.bootstrap:
        raise ConfigError("no Kafka address is set", fix=_HOW_TO_ADDRESS.format(key="bus.bootstrap"))


def need_store(settings: Settings) -> None:
    """Refuse to go on without Redis' address.

    Raises:
        ConfigError: `store.url` is empty.
    """
    if not settings.store.url:
        raise ConfigError("no Redis address is set", fix=_HOW_TO_ADDRESS.format(key="store.url"))


def need_writable(path: Path | None) -> None:
    """Refuse a file that cannot be written before the work, not after it. An absent one is made, empty.

    Raises:
        ConfigError: it cannot be written.
    """
    if path is not None:
        with _written(path):
            path.open("a").close()


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write one flat object, keys in the order given.

    Raises:
        ConfigError: the file cannot be written.
    """
    with _written(path):
        path.write_text(json.dumps({name: _plain(value) for name, value in figures.items()}, indent=2) + "\n")


def _plain(value: Any) -> Any:
    """JSON has no NaN: what was not measured is null."""
    return None if isinstance(value, float) and math.isnan(value) else value


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", fix="give a writable file") from error


def shown_text(text: str) -> Text:
    """An id or a title as it may go to a terminal: it comes from outside, so no markup, no control characters."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def is_text(raw: bytes) -> bool:
    """Is it, in any encoding that has ASCII's control characters where they are?"""
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in raw)


def shown_bytes(raw: bytes) -> str:
    """A message as it may be shown, if it is text; else how long it is, and its first bytes."""
    if is_text(raw):
        return raw.decode(errors="backslashreplace")
    more = "..." if len(raw) > _SHOWN_BYTES else ""
    return f"{len(raw):,} bytes that are no text: {raw[:_SHOWN_BYTES].hex(' ')}{more}"


class WrappingConsole:
    """Lines for people, broken between words to the terminal's width (80 columns in a pipe), with an indent that stays.

    What stands in backquotes stays whole, and so does every word.
    """

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console()

    def line(
        self,
        text: str,
        *,
        indent: int = 0,
        hang: int | None = None,
        style: str = "",
        is_foreign: bool = False,
    ) -> None:
        """One paragraph.

        Args:
            text: what to show, as it is: no markup.
            indent: columns before the first line.
            hang: columns before the others; None = as the first.
            style: of rich.
            is_foreign: whether it comes from outside, and its words are broken too.
        """
        import textwrap

        from rich.text import Text

        whole = re.sub(r"`[^`]*`", lambda quoted: quoted[0].replace(" ", _NO_BREAK), text)
        lines = textwrap.wrap(
            whole,
            max(20, self._console.width),
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent if hang is None else hang),
            break_on_hyphens=False,
            break_long_words=is_foreign,
        )
        for one in lines or [""]:
            self._console.print(
                Text(one.replace(_NO_BREAK, " "), style=style), soft_wrap=True, highlight=False
            )

    def command(self, text: str, *, indent: int) -> None:
        """A shell command that can be pasted as it stands: broken between words, behind a backslash."""
        import shlex

        from rich.text import Text

        width, lines, line = max(20, self._console.width - 2), [], " " * indent
        for word in map(shlex.quote, shlex.split(text)):
            if line.strip() and len(line) + 1 + len(word) > width:
                lines.append(f"{line} \\")
                line = " " * (indent + 2)
            line += f" {word}" if line.strip() else word
        for one in [*lines, line]:
            self._console.print(Text(one), soft_wrap=True, highlight=False)


_HOW_TO_ADDRESS = (
    "run `stream-rec up --write` in this folder and leave it running, or give {key} "
    "(stream-rec.toml, STREAM_REC__... in the environment, or --set)"
)
