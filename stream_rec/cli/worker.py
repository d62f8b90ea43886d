"""`worker`: learn, recommend, write, measure."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile, Overrides, need_broker, need_store, read_settings


def worker(
    skip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOPIC/PARTITION:FIRST-LAST",
            help="leave out bad records, e.g. events/3:1000-2000, beside ingest.skip; repeatable",
        ),
    ] = None,
    bridge: Annotated[
        bool, typer.Option("--bridge", help="read foreign topics, too, as `stream-rec bridge`")
    ] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Learn from the events and write slates, until SIGTERM or Ctrl-C: then finish, commit, and leave within 5 s."""
    set_ = [*(set_ or ()), *(["bridge.in_worker=true"] if bridge else [])]
    settings = read_settings(config, set_)
    if skip:
        settings = read_settings(config, [*set_, f"ingest.skip={json.dumps([*settings.ingest.skip, *skip])}"])
    need_broker(settings)
    need_store(settings)
    from stream_rec.consumers.runtime.stop_signal import leave
    from stream_rec.consumers.worker import run

    leave(run(settings))
