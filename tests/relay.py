"""A broker behind a relay, which can hold what goes over its connections, and answer as if there were no broker."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from stream_rec.embedded.server import ServerFolder
from stream_rec.embedded.tansu import TansuServer

_METADATA, _VERSION = 3, 12
_NO_BROKER = (
    b"\0"  # no tagged fields in the header
    + struct.pack(">i", 0)  # not throttled
    + b"\x01"  # no brokers
    + b"\x02x"  # the id of the cluster
    + struct.pack(">i", -1)  # no controller
    + b"\x01\0"  # no topics, no tagged fields
)
"""Kafka's answer to a request for metadata, in the version that librdkafka asks for, from a broker that is fenced."""


class Relay:
    """Passes on what clients and a server on 127.0.0.1 send to each other.

    Attributes:
        bootstrap: where clients find it.
        n_without_broker: so many more requests for metadata are answered as if there were no broker.
    """

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._sockets: list[socket.socket] = []
        self._held = threading.Event()
        self.n_without_broker = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.bootstrap = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """From now on nothing passes over the connections that there are; new ones work."""
        self._held.set()
        self._held = threading.Event()

    def close(self) -> None:
        """End all connections."""
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                self._sockets += [client, server]
                for work in (self._ask, self._answer):
                    threading.Thread(target=work, args=(client, server, self._held), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, held: threading.Event) -> None:
        with suppress(OSError):
            while (request := _frame(client)) and not held.is_set():
                key, version, correlation_id = struct.unpack_from(">hhi", request, 4)
                if self.n_without_broker and key == _METADATA:
                    assert version == _VERSION
                    self.n_without_broker -= 1
                    client.sendall(struct.pack(">ii", 4 + len(_NO_BROKER), correlation_id) + _NO_BROKER)
                else:
                    server.sendall(request)
            if not held.is_set():
                server.shutdown(socket.SHUT_WR)

    @staticmethod
    def _answer(client: socket.socket, server: socket.socket, held: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(65_536)) and not held.is_set():
                client.sendall(data)
            if not held.is_set():
                client.shutdown(socket.SHUT_WR)


def _frame(source: socket.socket) -> bytes:
    """The next request, with its length before it; empty at the end."""
    head = _exactly(source, 4)
    return head and head + _exactly(source, struct.unpack(">i", head)[0])


def _exactly(source: socket.socket, n: int) -> bytes:
    """So many bytes; empty if it ends before."""
    found = b""
    while len(found) < n:
        more = source.recv(n - len(found))
        if not more:
            return b""
        found += more
    return found


@contextmanager
def relayed_broker(log_dir: Path) -> Iterator[Relay]:
    """The embedded broker, which tells its clients the relay's address."""
    relays: list[Relay] = []

    class Relayed(TansuServer):
        @classmethod
        def _on(cls, port: int, folder: ServerFolder, program: str, told_port: int | None = None) -> Self:
            relays.append(Relay(port))
            return super()._on(port, folder, program, told_port or relays[-1].port)

    with Relayed.start(log_dir):
        yield relays[-1]
    for relay in relays:
        relay.close()
