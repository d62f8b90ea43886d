"""`/metrics` and the probes over HTTP, with bounds on connections, threads and time."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from time import monotonic
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, MetricsHandler

from stream_rec import logs
from stream_rec.errors import ConfigError

MAX_CONNECTIONS = 16
"""Connections served at a time, each by a thread; beyond it the one that has been open for longest is cut off."""
REQUEST_SECONDS = 10.0
"""A connection is cut off after this long, whatever its client does."""
_SEAT_SECONDS = 1.0
"""A new connection waits at most this long for the thread of the one that was cut off in its favour."""

Probe = Callable[[], str]
"""Called in a thread of the server; an empty answer = healthy, any other is the reason why not."""

_NO_PROBES: Mapping[str, Probe] = MappingProxyType({})

log = logs.get("measure")


class MetricsServer:
    """`/metrics` and probes over HTTP, in threads; any other path is 404.

    A slow client is cut off after REQUEST_SECONDS, and earlier if MAX_CONNECTIONS are open
    and another one comes: a normal request takes milliseconds, so the oldest connection is a slow client's.

    Args:
        registry: metrics to show.
        host: address to bind to.
        port: port to bind to; 0 = any free one.
        probes: probe by path: 200 if healthy, else 503 and the reason.

    Raises:
        ConfigError: the address cannot be bound.
    """

    def __init__(
        self, registry: CollectorRegistry, host: str, port: int, probes: Mapping[str, Probe] = _NO_PROBES
    ) -> None:
        handler = type("_OurHandler", (_Handler,), {"registry": registry, "probes": probes})
        try:
            self._server = _Server(host, port, handler)
        except OSError as error:
            raise ConfigError(
                f"cannot serve metrics on {host}:{port}: {error}",
                fix="set measure.prometheus_port to a free port, or 0 for any",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()
        self.port: int = self._server.server_port
        self.url = f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop serving and release the port; safe to call again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(MetricsHandler):
    """One request per connection (HTTP/1.0)."""

    probes: Mapping[str, Probe] = _NO_PROBES
    server_version = "stream-rec"
    sys_version = ""

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        path = urlsplit(self.path).path
        probe = self.probes.get(path)
        if probe is not None:
            why_not = probe()
            status = HTTPStatus.SERVICE_UNAVAILABLE if why_not else HTTPStatus.OK
            self._say(status, why_not or "yes")
        elif path != "/metrics":
            self._say(HTTPStatus.NOT_FOUND, f"only /metrics{''.join(f', {each}' for each in self.probes)}")
        elif self.command == "HEAD":
            self._say(HTTPStatus.OK, "")
        else:
            super().do_GET()

    def do_HEAD(self) -> None:  # noqa: N802 - the base class's name
        self.do_GET()

    def _say(self, status: HTTPStatus, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    """Threads as the base class has them, but MAX_CONNECTIONS at most."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, handler: type[MetricsHandler]) -> None:
        self.address_family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._seats = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._opened: dict[socket.socket, float] = {}  # oldest first
        self._changing = threading.Lock()
        super().__init__((str(address[0]), int(address[1])), handler)

    def server_bind(self) -> None:
        """As the base class, but without a DNS look-up of the host name."""
        TCPServer.server_bind(self)
        self.server_port = self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._seats.acquire(blocking=False):
            self._cut_off(oldest=True)
            if not self._seats.acquire(timeout=_SEAT_SECONDS):
                self.shutdown_request(request)
                return
        with self._changing:
            self._opened[request] = monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changing:
                self._opened.pop(request, None)
            self._seats.release()

    def service_actions(self) -> None:
        """Called twice a second."""
        self._cut_off(oldest=False)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that disconnected, or was cut off, is not our error; anything else is."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a request on the metrics port failed", client=client_address[0])

    def _cut_off(self, *, oldest: bool) -> None:
        """End the connections that are open for too long, or the oldest one."""
        late = monotonic() - REQUEST_SECONDS
        with self._changing:
            opened = list(self._opened.items())
            for each, since in opened[:1] if oldest else opened:
                if oldest or since < late:
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
