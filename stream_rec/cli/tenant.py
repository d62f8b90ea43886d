"""`tenant`: tenants that share Kafka and Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, need_store, read_settings
from stream_rec.cli.text import say
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from stream_rec.settings import Settings

tenant = typer.Typer(name="tenant", help="Tenants that share Kafka and Redis.", no_args_is_help=True)
_BRANCHES = ("bus", "store", "snapshot")
"""What says whose a worker is; all else is what workers of any tenant may have."""


@tenant.callback()
def _group() -> None:
    """A group, though it has one command: `tenant create` stays what it is when there are more."""


@tenant.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="lower-case letters, digits and '-'")],
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="its workers' settings; by default NAME.toml")
    ] = None,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Make a tenant on the servers of these settings: its topics, two keys, and a file with its workers' settings.

    The keys are printed: the only time that they can be seen. Who has one is answered by a server with its name in
    serve.tenants; a worker learns with `stream-rec worker --config NAME.toml`.
    """
    from stream_rec.bus.topics import ensure_topics
    from stream_rec.settings.tenants import of_tenant

    settings = read_settings(config, set_)
    need_broker(settings)
    need_store(settings)
    its, path = of_tenant(settings, name), file or Path(f"{name}.toml")
    with _created(path) as out:
        n_topics = len(ensure_topics(its.bus))
        keys = _keys(its, name)
        out.write(_toml(its))
    if as_json:
        print(json.dumps({"tenant": name, "settings": str(path), "keys": keys}, indent=2))
        return
    for scopes, text in keys.items():
        print(f"{scopes}: {text}")
    say(f"{name}: {n_topics} topics {its.bus.prefix}..., keys of Redis {its.store.prefix}...")
    say(f"its worker: `stream-rec worker --config {path}`", indent="  ")
    say(f"a server for several: `stream-rec serve --set 'serve.tenants=[\"{name}\"]'`", indent="  ")


@contextmanager
def _created(path: Path) -> Iterator[TextIO]:
    """A new file, which goes again if the tenant cannot be made."""
    try:
        out = path.open("x", encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{path} is there already", fix="give another --file") from None
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", fix="give another --file") from error
    try:
        with out:
            yield out
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _keys(its: Settings, name: str) -> dict[str, str]:
    """One for programs and one for people, as they are to be sent, by their scopes."""
    from stream_rec.api.access.key import new_key
    from stream_rec.clock import SystemClock
    from stream_rec.store.api_keys import ApiKeyQuestions
    from stream_rec.store.reader import Reader

    reader, questions, found = Reader(its.store), ApiKeyQuestions(its.store.prefix), dict[str, str]()
    try:
        for called, scopes in ((name, ("read", "publish")), (f"{name}-admin", ("admin",))):
            known = reader.answer(questions.all())
            made, text = new_key(called, scopes, 0.0, SystemClock().now(), known)
            reader.answer(questions.add(made))
            found[", ".join(scopes)] = text
    finally:
        reader.close()
    return found


def _toml(its: Settings) -> str:
    """What is not at its default of what says whose a worker is; a secret is not written down."""
    from stream_rec.settings import Settings
    from stream_rec.settings.table import masked

    defaults, lines = (
        Settings(),
        ["# A worker of this tenant; `stream-rec settings` lists what else can be set."],
    )
    for branch in _BRANCHES:
        for key, value in getattr(its, branch):
            path = f"{branch}.{key}"
            if value == getattr(getattr(defaults, branch), key):
                continue
            if value != masked(path, value):
                variable = f"STREAM_REC__{branch}__{key}".upper()
                lines.append(f"# {path} holds a secret: give it in {variable}")
            elif isinstance(value, (str, int, float)):
                lines.append(f"{path} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"
