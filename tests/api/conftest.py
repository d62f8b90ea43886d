"""A real server in a thread, over a real Redis and the embedded broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvloop

from stream_rec.api.server import HttpServer
from stream_rec.bus.topics import ensure_topics
from stream_rec.settings import Settings

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


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server; gives a client of it."""
    with ExitStack() as running:

        def start(settings: Settings) -> httpx.Client:
            url = running.enter_context(served(settings))
            return running.enter_context(httpx.Client(base_url=url, timeout=30))

        yield start


@pytest.fixture
def bus(tansu_settings: Settings) -> Settings:
    """Settings with topics that are there."""
    ensure_topics(tansu_settings.bus)
    return tansu_settings


@pytest.fixture
def http(serve: Serve, bus: Settings) -> httpx.Client:
    """A client of a server with default settings."""
    return serve(bus)
