"""uvicorn's protocol, over a transport that writes an answer's head and body at once, and with refusals like ours.

uvicorn writes head and body one after the other, a system call and a segment each. What is no HTTP it refuses by
itself, as plain text; so it does, at `limit_concurrency` connections, every request on any of them: whoever opens many
would have nobody answered. Here only the connections beyond the limit are refused.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stream_rec.api.problem import Problem
from stream_rec.api.refusals import Refusals

PROBES = ("/healthz", "/readyz", "/metrics")
"""Are answered on any connection."""
_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


class OneWrite:
    """A transport that keeps the head of an answer of known length until more is written, or it is flushed.

    Args:
        transport: that writes.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write it, behind what was kept."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data.endswith(_END) and data.startswith(b"HTTP/1.1 ") and _LENGTH in data:
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what was kept: no body follows, as of HEAD."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Write what was kept, and close."""
        self.flush()
        self._transport.close()


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's, over such a transport.

    Attributes:
        most: connections at a time.
        refuse: the application of those beyond, given that of the others.
    """

    most: ClassVar[int]
    refuse: ClassVar[Any]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        self._one_write = OneWrite(transport)
        super().connection_made(self._one_write)  # type: ignore[arg-type]
        if len(self.connections) > self.most:
            self.app = partial(type(self).refuse, self.app)

    def send_400_response(self, msg: str) -> None:
        """What was sent is no HTTP: the connection ends with a problem like any other."""
        problem = Problem(
            "unreadable", msg, where="request", fix="send HTTP/1.1, the address percent-encoded"
        )
        body = msgspec.json.encode(problem.body())
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close"
        self.transport.write(b"%b%b%d%b%b" % (head, _LENGTH, len(body), _END, body))
        self.transport.close()

    def on_response_complete(self) -> None:
        """An answer is whole."""
        self._one_write.flush()
        super().on_response_complete()


def bounded(most: int, refusals: Refusals) -> type[OneWriteProtocol]:
    """The protocol of a server that answers on so many connections at a time; on others it refuses, and closes them."""

    async def refuse(app: Any, scope: Any, receive: Any, send: Any) -> None:
        if (
            scope["path"] in PROBES
        ):  # or who looks whether it lives would end it, just when many want something
            await app(scope, receive, send)
            return
        problem = Problem(
            "busy", f"{most} connections are open", fix="try again in a moment, on another server"
        )
        await refusals.answer(problem, scope, send, [(b"connection", b"close")])

    return type("Bounded", (OneWriteProtocol,), {"most": most, "refuse": staticmethod(refuse)})
