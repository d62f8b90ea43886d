"""Who decided what, when and why."""

from __future__ import annotations

import getpass
import socket

import msgspec

from stream_rec.schemas.decisions import Decision


class Said(msgspec.Struct, frozen=True):
    """Of a record.

    Attributes:
        ts: when, seconds since the epoch.
        by: who.
        note: why.
    """

    ts: float = 0.0
    by: str = ""
    note: str = ""


def said_of(record: Decision) -> Said:
    """Who decided it; of one that takes back, only when the broker took it."""
    return msgspec.json.decode(record.raw, type=Said) if record.raw else Said(record.broker_ts / 1000)


def who() -> str:
    """The user and the machine, as far as they are known."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in the user database
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
