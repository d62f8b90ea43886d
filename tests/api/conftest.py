"""A server over a real Redis and the embedded broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.settings import Settings
from tests.api.serving import Serve, served


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
