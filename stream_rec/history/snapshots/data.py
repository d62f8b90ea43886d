"""The data file of a snapshot: arrays to bytes and back, with their checksums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from stream_rec.errors import UnusableSnapshot
from stream_rec.history.snapshots.header import ALIGNMENT, Header, HeldArray

_CHUNK = 1 << 22
_PADDING = memoryview(bytes(ALIGNMENT))


def buffers(arrays: Mapping[str, NDArray[Any]]) -> list[memoryview]:
    """The bytes of the data file, in order: the arrays' memory itself, and what lies between them."""
    parts = []
    for array in arrays.values():
        if array.size:
            parts.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            parts.append(_PADDING[: -array.nbytes % ALIGNMENT])
    return [part for part in parts if len(part)]


def sealed(held: Iterable[HeldArray], path: Path) -> list[HeldArray]:
    """The arrays with the checksums of what is in the file."""
    # Read, not mapped: the file must not count as this process's memory.
    with path.open("rb") as file:
        return [msgspec.structs.replace(each, checksum=_checksum_in(file, each)) for each in held]


def opened(header: Header, path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a snapshot, mapped from its file, not to be written to; every byte was compared with its checksum.

    Raises:
        UnusableSnapshot: torn (the file is shorter or longer), corrupt, or unreadable here.
    """
    try:
        return _opened(header, path)
    except OSError as error:
        raise UnusableSnapshot(
            header.name,
            "unreadable",
            f"its data: {error.strerror or error}",
            fix="check the disk and the file's permissions",
        ) from error


def _opened(header: Header, path: Path) -> dict[str, NDArray[Any]]:
    size = path.stat().st_size if path.exists() else 0
    if size != header.size:
        raise UnusableSnapshot(
            header.name, "torn", f"its data file has {size:,} of {header.size:,} bytes", fix="delete it"
        )
    raw = _mapped(path)
    arrays = {}
    for held in header.arrays:
        part = _bytes(raw, held)
        if _checksum(part) != held.checksum:
            raise UnusableSnapshot(
                header.name,
                "corrupt",
                f"array {held.name} does not match its checksum",
                fix="delete it, and check the disk",
            )
        arrays[held.name] = part.view(held.dtype).reshape(held.shape)
    return arrays


def _mapped(path: Path) -> NDArray[np.uint8]:
    if path.stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, "r")


def _bytes(raw: NDArray[np.uint8], held: HeldArray) -> NDArray[np.uint8]:
    return raw[held.offset : held.offset + held.nbytes]


def _checksum_in(file: BinaryIO, held: HeldArray) -> str:
    file.seek(held.offset)
    h, left = xxhash.xxh3_64(), held.nbytes
    while chunk := file.read(min(left, _CHUNK)):
        h.update(chunk)
        left -= len(chunk)
    return str(h.hexdigest())


def _checksum(part: NDArray[np.uint8]) -> str:
    return str(xxhash.xxh3_64_hexdigest(part.data))
