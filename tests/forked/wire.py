"""An order to start, from a test to the original: JSON with its length before it, and open files beside it."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

NUMBER = struct.Struct("i")
"""A length, a pid, or a status as `waitpid` gives it."""
N_FILES = 4
"""stdin, stdout, stderr, and the end of a pipe for the status."""


class Order(NamedTuple):
    """What is to be started.

    Attributes:
        module: to run, as `python -m` does.
        arguments: after it.
        environment: all of it.
        folder: to work in.
        own_session: whether it leads a session of its own.
    """

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    own_session: bool


def send(connection: socket.socket, order: Order, files: Sequence[int]) -> int:
    """The pid of what was started."""
    text = json.dumps(order).encode()
    socket.send_fds(connection, [NUMBER.pack(len(text))], files)
    connection.sendall(text)
    return int(NUMBER.unpack(connection.recv(NUMBER.size))[0])


def receive(connection: socket.socket) -> tuple[Order, list[int]] | None:
    """The next order; None if there will be no more."""
    length, files, _, _ = socket.recv_fds(connection, NUMBER.size, N_FILES)
    if not length:
        return None
    left, parts = NUMBER.unpack(length)[0], []
    while left:
        parts.append(connection.recv(left))
        left -= len(parts[-1])
    return Order(*json.loads(b"".join(parts))), files
