"""`serve`: the HTTP server."""

from __future__ import annotations

from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile, Overrides, need_store, read_settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="address to listen on; by default serve.host", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="port; by default serve.port", show_default=False)
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Answer reads from Redis and take events for Kafka over HTTP, until SIGTERM or Ctrl-C."""
    from stream_rec.api.server import run
    from stream_rec.page.front import front_of_serve

    flags = [f"serve.{name}={value}" for name, value in (("host", host), ("port", port)) if value is not None]
    settings = read_settings(config, [*(set_ or ()), *flags])
    need_store(settings)
    run(settings, front_of_serve(settings))
