"""The journal on disk: entries in checksummed blocks.

A segment is a file of blocks, one after the other, only ever appended to. A block is

| bytes | what |
|---|---|
| 4 | `SRJ1` |
| 4 | length of the payload, little-endian |
| 8 | XXH3-64 of the payload, little-endian |
| n | payload: entries as one msgpack array, each an array that begins with its kind |

The first block of a segment holds its `Head` alone. A block that is cut off or does not fit its checksum ends what can
be read of the segment.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import xxhash

SUFFIX = ".journal"
_MAGIC = b"SRJ1"
_FRAME = struct.Struct("<4sIQ")
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding corrupt bytes may raise; invalid UTF-8 is a ValueError."""


class Head(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Where a segment begins.

    Attributes:
        session: id of one lifetime of an engine, from empty or from a snapshot on.
        sequence: number of the segment in its session, from 0.
        started_ms: start of the session, by the worker's clock.
        base: state that the session began with: that of another session's segment (`state_of`), or the name of a
            snapshot that knows none; empty = the engine was empty.
        logs: id of each topic.
        positions: topic, partition, next offset to learn, of everything learned so far; sorted.
    """

    session: str
    sequence: int
    started_ms: int
    base: str
    logs: dict[str, str]
    positions: tuple[tuple[str, int, int], ...]


def state_of(head: Head) -> str:
    """Names the state at the beginning of a segment; kept in the notes of a snapshot that holds it."""
    return f"{head.session}/{head.sequence}"


class Run(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Offsets first ... next - 1 of a partition were learned without a break; n of them were records."""

    topic: str
    partition: int
    first: int
    next: int
    n: int


class Drifted(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The served hit-rate fell: `Engine.on_drift` was called. Of releases without alarms on `control`."""


class Forgot(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """`Engine.forget_user` was called. The id itself is not kept, so that it is forgotten here too.

    Attributes:
        user_hash: `kernels.ids` of the user's id.
    """

    user_hash: int


class Skips(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """From here on these records are left out (`ingest.skip`); what was named before stays left out."""

    ranges: tuple[str, ...]


Entry = Run | Drifted | Forgot | Skips

_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(tuple[Head]).decode
_decode_entries = msgspec.msgpack.Decoder(tuple[Entry, ...]).decode


def block(entries: Sequence[Entry | Head]) -> bytes:
    """Entries as one block."""
    payload = _encode(entries)
    return _FRAME.pack(_MAGIC, len(payload), xxhash.xxh3_64_intdigest(payload)) + payload


def read_head(path: Path) -> Head | None:
    """The head of a segment; None = it cannot be read, so the segment cannot either."""
    try:
        with path.open("rb") as file:
            frame = file.read(_FRAME.size)
            payloads, _ = _payloads(frame + file.read(min(_length(frame), os.fstat(file.fileno()).st_size)))
        return _decode_head(payloads[0])[0] if payloads else None
    except (OSError, *_UNREADABLE):
        return None


def read_entries(path: Path) -> tuple[list[Entry], bool]:
    """All that can be read of a segment behind its head, and whether that is everything to the end of the file."""
    entries: list[Entry] = []
    try:
        payloads, whole = _payloads(path.read_bytes())
        for payload in payloads[1:]:
            entries += _decode_entries(payload)
    except (OSError, *_UNREADABLE):
        return entries, False
    return entries, whole


class OpenSegment:
    """A segment that is being written. A lock on it tells other workers so for as long as this process lives.

    Args:
        path: file to create.
        head: its beginning.

    Raises:
        OSError (all methods): it cannot be written, or was deleted; the last append may be torn.
    """

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path
        self.size = 0
        self._file = path.open("xb", buffering=0)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.append([head])
        except OSError:
            self.close()
            path.unlink(missing_ok=True)
            raise

    def append(self, entries: Sequence[Entry | Head]) -> None:
        """Append a block, and flush it to the operating system."""
        data = block(entries)
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "its file was deleted")
        if self._file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += len(data)

    def close(self) -> None:
        """Release the lock."""
        self._file.close()


def is_being_written(path: Path) -> bool:
    """Whether a live worker is writing this segment."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _length(frame: bytes) -> int:
    return _FRAME.unpack(frame)[1] if len(frame) == _FRAME.size and frame.startswith(_MAGIC) else 0


def _payloads(raw: bytes) -> tuple[list[bytes], bool]:
    found: list[bytes] = []
    at = 0
    while at < len(raw):
        begin = at + _FRAME.size
        if begin > len(raw):
            return found, False
        magic, length, checksum = _FRAME.unpack_from(raw, at)
        payload = raw[begin : begin + length]
        if magic != _MAGIC or len(payload) < length or xxhash.xxh3_64_intdigest(payload) != checksum:
            return found, False
        found.append(payload)
        at = begin + length
    return found, True
