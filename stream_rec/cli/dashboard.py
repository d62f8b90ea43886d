"""`dashboard`: the page for people."""

from __future__ import annotations

from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile, Overrides, need_broker, need_store, read_settings


def dashboard(
    host: Annotated[
        str | None, typer.Option(help="address to listen on; by default page.host", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="port; by default page.port", show_default=False)
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="show, and change nothing")] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """See and steer it in a browser: figures, users, items, scenarios, workers. Until SIGTERM or Ctrl-C."""
    from stream_rec.page.alone import run_alone

    flags = [f"page.{name}={value}" for name, value in (("host", host), ("port", port)) if value is not None]
    flags += ["page.read_only=true"] if read_only else []
    settings = read_settings(config, [*(set_ or ()), *flags])
    need_store(settings)
    need_broker(settings)
    run_alone(settings)
