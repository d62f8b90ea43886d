"""A broker behind a relay, which can hold what goes over the connections that there are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from stream_rec.embedded.server import ServerFolder
from stream_rec.embedded.tansu import TansuServer


class Relay:
    """Passes on what clients and a server on 127.0.0.1 send to each other.

    Attributes:
        bootstrap: where clients find it.
    """

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._sockets: list[socket.socket] = []
        self._held = threading.Event()
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
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(*pair, self._held), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, to: socket.socket, held: threading.Event) -> None:
        with suppress(OSError):
            while (data := source.recv(65_536)) and not held.is_set():
                to.sendall(data)
            if not held.is_set():
                to.shutdown(socket.SHUT_WR)


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
