"""`key`: who may call the HTTP server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_store, read_settings
from stream_rec.cli.text import Column, plain, say, table, width

key = typer.Typer(name="key", help="Keys of the HTTP server: who may call it.", no_args_is_help=True)
_COLUMNS = (
    Column("id"),
    Column("name"),
    Column("scopes"),
    Column("per second", is_number=True),
    Column("since"),
)


@key.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="whose; two keys of a name may be valid")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE", help="publish, read, admin or browser; repeatable; by default read and publish"
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, max=1_000_000, help="requests a second in each server; 0 = no limit")
    ] = 0.0,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Make a key and print it: the only time that it can be seen. From the first key on, all requests need one."""
    from stream_rec.api.access.key import new_key
    from stream_rec.clock import SystemClock
    from stream_rec.store.api_keys import ApiKeyQuestions
    from stream_rec.store.reader import Reader

    settings = read_settings(config, set_)
    need_store(settings)
    reader, questions = Reader(settings.store), ApiKeyQuestions(settings.store.prefix)
    try:
        known = reader.answer(questions.all())
        made, text = new_key(name, scope or ["read", "publish"], rate, SystemClock().now(), known)
        reader.answer(questions.add(made))
    finally:
        reader.close()
    print(json.dumps({"key_id": made.key_id, "key": text}, indent=2) if as_json else text)


@key.command("list")
def list_(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """All keys, without their secrets."""
    from stream_rec.store.api_keys import ApiKeyQuestions
    from stream_rec.store.reader import Reader

    settings = read_settings(config, set_)
    need_store(settings)
    reader = Reader(settings.store)
    try:
        found = reader.answer(ApiKeyQuestions(settings.store.prefix).all())
    finally:
        reader.close()
    if as_json:
        rows = [
            {
                "key_id": each.key_id,
                "name": each.name,
                "scopes": each.scopes,
                "per_second": each.per_second,
                "created_ts": each.created_ts,
            }
            for each in found
        ]
        print(json.dumps(rows, indent=2))
        return
    if not found:
        say("there are no keys: only programs on the server's own machine are answered")
        return
    shown = [
        [
            each.key_id,
            plain(each.name),
            ", ".join(each.scopes),
            f"{each.per_second:g}" if each.per_second else "no limit",
            datetime.fromtimestamp(each.created_ts, UTC).isoformat(timespec="seconds"),
        ]
        for each in found
    ]
    print(*table(_COLUMNS, shown, width()), sep="\n")


@key.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="as `key list` shows it")],
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """End a key; servers obey within serve.key_seconds. Exit code 1: there is none of this id."""
    from stream_rec.store.api_keys import ApiKeyQuestions
    from stream_rec.store.reader import Reader

    settings = read_settings(config, set_)
    need_store(settings)
    reader = Reader(settings.store)
    try:
        was_there = reader.answer(ApiKeyQuestions(settings.store.prefix).remove(key_id))
    finally:
        reader.close()
    say(f"{key_id}: revoked" if was_there else f"no key has the id {plain(key_id)}")
    if not was_there:
        raise typer.Exit(1)
