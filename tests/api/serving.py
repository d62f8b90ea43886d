"""A real server in a thread, over a real Redis and the embedded broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvloop

from stream_rec.api.server import HttpServer
from stream_rec.settings import Settings
from tests.waiting import wait_until

READY_SECONDS = 300
"""For kernels to be loaded, or compiled, and the log to be learned."""

Serve = Callable[[Settings], httpx.Client]


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The address of a server with these settings, on a free port."""
    serve = settings.serve.model_copy(update={"port": 0})
    server = HttpServer(settings.model_copy(update={"serve": serve}))
    thread = threading.Thread(target=lambda: uvloop.run(server.serve()), name="serve")
    thread.start()
    try:
        yield server.url
    finally:
        server.stop()
        thread.join()


def live(settings: Settings, **more: object) -> Settings:
    """The same settings, of a live server that is patient: the machine may be busy with other tests."""
    patience = {"timeout_seconds": 120.0, "publish_timeout_seconds": 60.0}
    serve = settings.serve.model_copy(update={"live": True, "port": 0, **patience, **more})
    return settings.model_copy(update={"serve": serve})


def until_ready(http: httpx.Client) -> httpx.Client:
    """The client of a live server, once that is ready."""
    wait_until(lambda: http.get("/readyz").status_code == 200, READY_SECONDS, "it to be ready")
    return http
