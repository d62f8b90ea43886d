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

import struct
from collections.abc import Sequence
from pathlib import Path

import msgspec
import xxhash

SUFFIX = ".journal"
_MAGIC = b"SRJ1"
_FRAME = struct.Struct("<4sIQ")


class Head(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Where a segment begins.

    Attributes:
        session: of the worker: one life of an engine, from empty or from a snapshot on.
        sequence: of the segment in its session, from 0.
        started_ms: when the session began, the worker's clock.
        base: the state that the session began with: of another session's segment (`state_of`), or the name of a
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
    """Offsets first ... next - 1 of a partition were learned, nothing else between them; n of them were records."""

    topic: str
    partition: int
    first: int
    next: int
    n: int


class Drifted(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The served hit-rate fell: `Engine.on_drift` was called."""


class Forgot(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """`Engine.forget_user` was called. The id itself is not kept: that would be no forgetting.

    Attributes:
        user_hash: `kernels.ids` of the user's id.
    """

    user_hash: int


Entry = Run | Drifted | Forgot

_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(tuple[Head]).decode
_decode_entries = msgspec.msgpack.Decoder(tuple[Entry, ...]).decode


def block(entries: Sequence[Entry | Head]) -> bytes:
    """Entries as one block."""
    payload = _encode(entries)
    return _FRAME.pack(_MAGIC, len(payload), xxhash.xxh3_64_intdigest(payload)) + payload


def read_head(path: Path) -> Head | None:
    """The head of a segment; None = it cannot be read, and so nothing of the segment can."""
    with path.open("rb") as file:
        frame = file.read(_FRAME.size)
        payloads, _ = _payloads(frame + file.read(_length(frame)))
    try:
        return _decode_head(payloads[0])[0] if payloads else None
    except msgspec.DecodeError:
        return None


def read_entries(path: Path) -> tuple[list[Entry], bool]:
    """All that can be read of a segment behind its head, and whether that is everything to the end of the file."""
    payloads, whole = _payloads(path.read_bytes())
    entries: list[Entry] = []
    for payload in payloads[1:]:
        try:
            entries += _decode_entries(payload)
        except msgspec.DecodeError:
            return entries, False
    return entries, whole


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
