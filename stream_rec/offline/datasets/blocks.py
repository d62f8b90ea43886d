"""Files as blocks of whole lines, in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from stream_rec.errors import ConfigError

BLOCK_BYTES = 4 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Block(NamedTuple):
    """Some whole lines.

    Attributes:
        data: the lines, each with its end (the file's last may lack it).
        fraction: how much of the file is read with this block, in (0, 1].
    """

    data: bytes
    fraction: float


def blocks(path: Path, *, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read a file, plain or gzip (detected by its first bytes), as blocks of about `block_bytes`.

    Args:
        path: the file. A byte order mark at its start is dropped.
        block_bytes: of text; a longer line makes a longer block.

    Raises:
        ConfigError: the file cannot be read, is a damaged gzip, or has a line over 64 MiB.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            is_gzip = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            text: IO[bytes] = gzip.GzipFile(fileobj=file) if is_gzip else file  # type: ignore[assignment]
            if text.read(3) != _BOM:
                text.seek(0)
            for data in _whole_lines(text, path, block_bytes):
                yield Block(data, min(1.0, file.tell() / max(size, 1)))
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}", fix="name a file, or a data set") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"cannot read {path}: {error}", fix="give a readable, undamaged file") from error


def _whole_lines(text: IO[bytes], path: Path, block_bytes: int) -> Iterator[bytes]:
    rest = b""
    while more := text.read(block_bytes):
        rest += more
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > MAX_LINE_BYTES:
            raise ConfigError(f"{path} has a line over {MAX_LINE_BYTES} bytes", fix="break it up")
    if rest:
        yield rest
