"""TLS in front of a plain server of the tests: the embedded Redis has none compiled in."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.certificates import Certificate

_HANDSHAKE_SECONDS = 30.0


class _Front(socketserver.ThreadingTCPServer):
    """A thread per connection: the handshake is OpenSSL's own on the socket, alerts and all, as in a real server."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behind: int, context: ssl.SSLContext) -> None:
        self.behind, self.context = behind, context
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Front

    def handle(self) -> None:
        self.request.settimeout(_HANDSHAKE_SECONDS)
        with (
            contextlib.suppress(OSError),  # no handshake, or either side hung up
            self.server.context.wrap_socket(self.request, server_side=True) as outside,
            socket.create_connection(("127.0.0.1", self.server.behind)) as inside,
        ):
            outside.settimeout(None)
            _pass_on(outside, inside)


def _pass_on(outside: ssl.SSLSocket, inside: socket.socket) -> None:
    """Until one side hangs up. In one thread: OpenSSL cannot read and write a connection at the same time."""
    other = {outside: inside, inside: outside}
    while True:
        # What OpenSSL has read and not handed over does not show in `select`.
        ready = [outside] if outside.pending() else select.select(other, (), ())[0]
        for side in ready:
            data = side.recv(65_536)
            if not data:
                return
            other[side].sendall(data)


@contextmanager
def tls_front(behind: int, mine: Certificate, clients: Path | None = None) -> Iterator[int]:
    """The port of a TLS server that passes everything on to a port of 127.0.0.1.

    Args:
        behind: the plain server's port.
        mine: what the server shows.
        clients: the authority whose certificates clients must show; None = they need none.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(mine.certificate, mine.key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    with _Front(behind, context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="tls-front", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(_HANDSHAKE_SECONDS)
