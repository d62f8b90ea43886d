"""The server's life: listen, answer, and end within `serve.drain_seconds` of a signal."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import uvicorn
import uvloop

from stream_rec import logs
from stream_rec.api.app import for_all_tenants
from stream_rec.api.measures import Measures
from stream_rec.api.one_write import bounded
from stream_rec.api.parts import make_all_parts
from stream_rec.api.refusals import Refusals
from stream_rec.clock import SystemClock
from stream_rec.errors import ConfigError
from stream_rec.settings import ServeSettings, Settings

_BACKLOG = 1024

log = logs.get("serve")


class Front(Protocol):
    """What stands before the application, and answers some paths itself; it may use websockets."""

    def before(self, application: Any) -> Any:
        """The ASGI application with this in front of it."""
        ...

    async def close(self) -> None:
        """End what it has begun."""
        ...


class Made(NamedTuple):
    """What a server serves.

    Attributes:
        application: ASGI.
        measures: counts what is refused before it.
        failure: says afterwards what it could not go on with.
    """

    application: Any
    measures: Measures
    failure: Callable[[], Exception | None] = lambda: None


Make = Callable[[Settings, Callable[[], bool], Callable[[], None]], Made]
"""Makes it of settings, of what says whether the server is about to end, and of what ends it."""


def api(settings: Settings, is_draining: Callable[[], bool], stop: Callable[[], None]) -> Made:
    """The application of `stream-rec serve`; in the event loop that serves.

    Raises:
        ConfigError: an address in the settings is wrong.
    """
    each = make_all_parts(settings, stop)

    def failure() -> Exception | None:
        engines = [parts.following for parts in each.values() if parts.following]
        return next((engine.failure for engine in engines if engine.failure), None)

    return Made(for_all_tenants(each, is_draining), each[""].measures, failure)


def run(settings: Settings, front: Front | None = None, make: Make = api) -> None:
    """Serve until SIGTERM or Ctrl-C; what is being answered then is answered. Arguments as of `HttpServer`.

    Raises:
        ConfigError: as `HttpServer`.
        Exception: as `HttpServer.serve`.
    """
    uvloop.run(_until_signal(HttpServer(settings, front, make)))


async def _until_signal(server: HttpServer) -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, server.stop)
    await server.serve()


class _Server(uvicorn.Server):
    """uvicorn's, which raises a signal again once it has obeyed it: the process would not exit with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours to handle."""
        yield


class HttpServer:
    """Listens as soon as it is made; answers while `serve` runs.

    Args:
        settings: of everything.
        front: before the application; None = nothing.
        make: the application.

    Attributes:
        url: where it is reached.

    Raises:
        ConfigError: the address cannot be bound, or one in the settings is wrong.
    """

    def __init__(self, settings: Settings, front: Front | None = None, make: Make = api) -> None:
        self._settings = settings
        self._front = front
        self._make = make
        self._listening = _bound(settings.serve)
        self._server: _Server | None = None
        self._is_stopping = False
        host, port = self._listening.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def serve(self) -> None:
        """Answer until a signal, or `stop`; then finish what is being answered, within `serve.drain_seconds`.

        Raises:
            ConfigError: an address in the settings is wrong.
            Exception: what the engine of a live server could not go on with.
        """
        with self._listening:
            front, made = self._front, self._make(self._settings, self._is_draining, self.stop)
            app = front.before(made.application) if front else made.application
            refusals = Refusals(self._settings.serve, made.measures, SystemClock())
            self._server = _Server(_config(app, self._settings.serve, refusals, has_front=bool(front)))
            self._server.should_exit = self._is_stopping
            log.info("listening", url=self.url)
            await self._server.serve(sockets=[self._listening])
            if front:
                await front.close()
        log.info("stopped")
        if (failure := made.failure()) is not None:
            raise failure

    def stop(self) -> None:
        """As a signal; from any thread."""
        self._is_stopping = True
        if self._server is not None:
            self._server.should_exit = True

    def _is_draining(self) -> bool:
        return self._is_stopping or (self._server is not None and self._server.should_exit)


def _bound(serve: ServeSettings) -> socket.socket:
    host, port = serve.host, serve.port
    try:
        family, *_, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server((str(address[0]), int(address[1])), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error}", fix="set serve.port to a free port, or 0 for any"
        ) from error


def _config(app: Any, serve: ServeSettings, refusals: Refusals, *, has_front: bool) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded(serve.max_connections, refusals),
        ws="websockets-sansio" if has_front else "none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=int(serve.keep_alive_seconds),
        timeout_graceful_shutdown=int(serve.drain_seconds),
    )
