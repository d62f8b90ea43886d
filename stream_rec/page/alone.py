"""The page on its own: `stream-rec dashboard`."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from stream_rec.api.measures import Measures
from stream_rec.api.server import Made, run
from stream_rec.page.front import Front, need_installed
from stream_rec.settings import Settings


def run_alone(settings: Settings) -> None:
    """Show the page until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: it is not installed, or as `HttpServer`.
    """
    need_installed()
    serve = settings.serve.model_copy(update={"host": settings.page.host, "port": settings.page.port})
    here = settings.model_copy(update={"serve": serve})
    run(here, Front(here), _nothing_else)


def _nothing_else(_: Settings, __: Callable[[], bool], ___: Callable[[], None]) -> Made:
    return Made(FastAPI(openapi_url=None), Measures())
