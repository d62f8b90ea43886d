"""The header of a snapshot: one JSON object, written last.

A snapshot is two files: `NAME.json`, this header, and the file that it names in `data`, which holds the arrays one
after another, each from a multiple of `ALIGNMENT` bytes on, little-endian, C order. `checksum` is XXH3 (128 bits) of
the header as encoded here with an empty `checksum`; it covers the data by the arrays' own (XXH3, 64 bits).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import prod
from typing import Any

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from stream_rec.engine.state.identity import Identity
from stream_rec.errors import UnusableSnapshot
from stream_rec.schemas.partition import TopicPartition

FORMAT = 1
ALIGNMENT = 64
NAME = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{4}")
Position = Mapping[TopicPartition, int]
"""Next offset to learn, by topic (without the tenant's prefix) and partition."""


class HeldArray(msgspec.Struct, frozen=True):
    """One array in the data file: bytes `offset` on. `checksum` is 16 hex digits."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    checksum: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return int(np.dtype(self.dtype).itemsize * prod(self.shape))


class HeldLog(msgspec.Struct, frozen=True):
    """A topic as of the snapshot: its incarnation, how many partitions it had, and the next offset to learn of each.

    A partition that nothing was learned of has no position.
    """

    log_id: str
    n_partitions: int
    positions: dict[int, int]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """All but the arrays.

    Attributes:
        format: of the files.
        name: of the snapshot; sorts by time.
        data: name of the file with the arrays.
        created: seconds since the epoch.
        cluster_id: Kafka's.
        logs: by topic, without the tenant's prefix.
        n_events: events learned ever.
        identity: of the engine.
        notes: what the writer adds, for its own use.
        arrays: in the order of the data file.
        size: of the data file, in bytes.
        checksum: of everything.
    """

    format: int = FORMAT
    name: str
    data: str
    created: float
    cluster_id: str
    logs: dict[str, HeldLog]
    n_events: int
    identity: Identity
    notes: dict[str, Any]
    arrays: list[HeldArray]
    size: int
    checksum: str = ""

    @property
    def position(self) -> dict[TopicPartition, int]:
        """Next offset to learn, by topic and partition."""
        return {
            TopicPartition(topic, partition): offset
            for topic, log in self.logs.items()
            for partition, offset in log.positions.items()
        }


def new_name(created: float, salt: bytes) -> str:
    """A name that sorts by time, to the millisecond; two bytes of salt tell writers apart."""
    at = datetime.fromtimestamp(created, UTC)
    return f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z-{salt[:2].hex()}"


def is_name(text: str) -> bool:
    """Whether this may be the name of a snapshot."""
    try:
        return NAME.fullmatch(text) is not None and created_of(text) >= 0
    except ValueError:  # the 99th of a month
        return False


def created_of(name: str) -> float:
    """When a snapshot of this name was made, in seconds since the epoch, by the clock of its writer."""
    at = datetime.strptime(name[:18], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    return at.timestamp()


def laid_out(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[HeldArray], int]:
    """Where each array stands in the data file, and the file's size."""
    held, offset = [], 0
    for name, array in arrays.items():
        held.append(HeldArray(name, array.dtype.str, array.shape, offset))
        offset += array.nbytes + -array.nbytes % ALIGNMENT
    return held, offset


def encode(header: Header) -> bytes:
    """The header as a file, sealed by its checksum."""
    sealed = msgspec.structs.replace(header, checksum=_checksum(header))
    return msgspec.json.format(msgspec.json.encode(sealed), indent=1)


def decode(name: str, raw: bytes) -> Header:
    """Read a header's file.

    Raises:
        UnusableSnapshot: it is not a header, or not this snapshot's, or corrupt, or of an unknown format.
    """
    try:
        known = msgspec.json.decode(raw, type=_AnyFormat)
        if known.format != FORMAT:
            raise UnusableSnapshot(
                name,
                "incompatible",
                f"its format is {known.format}, and this version reads format {FORMAT}",
                fix="start with the version that wrote it, or without it",
            )
        header = msgspec.json.decode(raw, type=Header)
        is_whole = header.name == name and header.checksum == _checksum(header)
    except (
        msgspec.MsgspecError,
        ValueError,
        RecursionError,
    ) as error:  # invalid UTF-8 is a ValueError
        raise UnusableSnapshot(
            name, "unreadable", f"its header cannot be decoded: {error}", fix=_DELETE
        ) from error
    if not is_whole:
        raise UnusableSnapshot(name, "corrupt", "its header does not match its checksum", fix=_DELETE)
    return header


class _AnyFormat(msgspec.Struct):
    format: int


_DELETE = "delete it; an older one is taken, or the log is learned again"


def _checksum(header: Header) -> str:
    unsealed = msgspec.structs.replace(header, checksum="")
    return str(xxhash.xxh3_128_hexdigest(msgspec.json.encode(unsealed)))
