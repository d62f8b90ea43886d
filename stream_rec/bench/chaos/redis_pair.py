"""Two Redis servers behind one address, as a host name that fails over: new connections go to the present primary."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import Unavailable

_POLL_SECONDS = 0.05
_CONNECT_SECONDS = 5.0
_FAILOVER_SECONDS = 20.0
_BYTES = 1 << 16


class _Front(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.behind = 0
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Front

    def handle(self) -> None:
        """Pass everything on, both ways, to whoever is the primary now; until one side hangs up."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server.behind), _CONNECT_SECONDS) as inside,
        ):
            inside.settimeout(None)
            other = {self.request: inside, inside: self.request}
            while True:
                for side in select.select(other, (), ())[0]:
                    data = side.recv(_BYTES)
                    if not data:
                        return
                    other[side].sendall(data)


class RedisPair:
    """A primary and a replica; a context manager that ends the replica and the address.

    A failover leaves the old primary up, as a replica, and its connections open: whoever keeps one is told READONLY.

    Args:
        primary: whoever started it ends it.
        log_dir: keeps the replica's log.

    Attributes:
        url: the one address.
        primary: who takes writes now.
        replica: who follows it.
    """

    def __init__(self, primary: RedisServer, log_dir: Path) -> None:
        self._started = RedisServer.start(log_dir)
        self.primary, self.replica = primary, self._started
        self._front = _Front()
        self._front.behind = _port(primary)
        self.url = f"redis://127.0.0.1:{self._front.server_address[1]}/0"
        threading.Thread(target=self._front.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
        _ask(self.replica, "REPLICAOF", "127.0.0.1", _port(primary))

    def fail_over(self) -> None:
        """The replica catches up and takes over; nothing that the primary has confirmed is lost.

        Raises:
            Unavailable: it does not come to that in time.
        """
        old, new = self.primary, self.replica
        _wait(lambda: _replication(new)["master_link_status"] == "up")
        _ask(old, "FAILOVER", "TO", "127.0.0.1", _port(new), "TIMEOUT", int(_FAILOVER_SECONDS * 1000))
        _wait(lambda: _replication(new)["role"] == "master" and _replication(old)["role"] == "slave")
        self.primary, self.replica = new, old
        self._front.behind = _port(new)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._front.shutdown()
        self._front.server_close()
        self._started.stop()


def _port(server: RedisServer) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])


def _ask(server: RedisServer, *command: str | int) -> object:
    with redis.Redis.from_url(server.url) as client:
        return client.execute_command(*command)


def _replication(server: RedisServer) -> dict[str, object]:
    with redis.Redis.from_url(server.url) as client:
        return {"master_link_status": "down", **client.info("replication")}


def _wait(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _FAILOVER_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise Unavailable("redis", "no failover", waited_seconds=_FAILOVER_SECONDS)
        time.sleep(_POLL_SECONDS)
