"""`merge`: a visitor is a user."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, need_store, read_settings
from stream_rec.cli.text import say


def merge(
    visitor: Annotated[str, typer.Argument(metavar="VISITOR", help="user_id of the visitor's events")],
    user: Annotated[str, typer.Argument(metavar="USER", help="user_id of who that is")],
    wait: Annotated[
        float, typer.Option(min=0, max=3600, metavar="SECONDS", help="how long to wait for the workers")
    ] = 30.0,
    note: Annotated[str, typer.Option(metavar="TEXT", help="why; kept in the log, so no personal data")] = "",
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Join a visitor's history into a user's, and forget the visitor. Exit code 1: a worker is silent.

    It is harmless to repeat. To undo it is to forget: what was joined cannot be told apart again.
    """
    from stream_rec.serve.merge import merge as run
    from stream_rec.store.reader import Reader

    settings = read_settings(config, set_)
    need_broker(settings)
    need_store(settings)
    reader = Reader(settings.store)
    try:
        done = run(settings, reader, visitor, user, wait_seconds=wait, note=note)
    finally:
        reader.close()
    n_events = max((each.events for each in done.workers.values()), default=0)
    if as_json:
        answer = {
            "visitor_hash": done.visitor_hash,
            "offset": done.offset,
            "ts": done.ts,
            "workers": len(done.workers),
            "silent": list(done.silent),
            "events": n_events,
        }
        print(json.dumps(answer, indent=2))
    else:
        say(f"merged: visitor {done.visitor_hash}, control offset {done.offset}")
        say(f"{len(done.workers)} workers have joined the histories: {n_events} events of the visitor's")
        if done.silent:
            say(f"no answer yet of {', '.join(done.silent)}", indent="  ")
    if done.silent:
        raise typer.Exit(1)
