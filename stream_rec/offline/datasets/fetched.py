"""Files of data sets, fetched once by URL, kept in the cache folder, checked by their hash whenever they are used."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.filesystem import opened
from stream_rec.settings import DataSettings, cache_folder

_PIECE_BYTES = 1 << 20
_SILENCE_SECONDS = 60.0
_HASH = ".sha256"


def fetch(name: str, data: DataSettings, folder: Path | None = None) -> Path:
    """The file of `data.urls.NAME`, from the cache folder or, the first time, from there.

    The hash is that of `data.hashes.NAME`, or what it was when it was fetched.

    Args:
        name: of the data set.
        data: its URL, and perhaps its hash.
        folder: where it is kept; None = in the user's cache folder.

    Raises:
        ConfigError: it cannot be fetched, is too large, or is not what its hash says.
    """
    url = data.urls[name]
    of_url = hashlib.sha256(url.encode()).hexdigest()[:8]
    kept = (folder or cache_folder() / "data") / f"{name}-{of_url}" / _file_name(url)
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            taken = Path(scratch) / kept.name
            digest = _take(name, url, taken, data.max_fetch_bytes)
            _check(name, digest, data.hashes.get(name, digest), "what was fetched")
            logs.get("import").info(
                f"{name} fetched", bytes=taken.stat().st_size, sha256=digest, file=str(kept)
            )
            _recorded(kept).write_text(digest)
            taken.replace(kept)
        return kept
    return checked(name, kept, data)


def checked(name: str, path: Path, data: DataSettings) -> Path:
    """The file, if it has the hash of `data.hashes.NAME`, and that of when it was fetched; it may have none of both.

    Raises:
        ConfigError: it has another one.
    """
    wanted = data.hashes.get(name)
    if wanted is None and _recorded(path).is_file():
        wanted = _recorded(path).read_text().strip()
    if wanted is not None:
        with path.open("rb") as file:
            _check(name, hashlib.file_digest(file, "sha256").hexdigest(), wanted, str(path))
    return path


def _take(name: str, url: str, to: Path, most: int) -> str:
    """Copy what stands at a URL; its hash."""
    fs, root = opened(url, _options(url), f"data.urls.{name}")
    try:
        with fs.open(root, "rb") as source, to.open("wb") as out:
            return _copy(name, source, out, most)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{name} cannot be fetched: {type(error).__name__}: {error}",
            fix=f"correct data.urls.{name}, or put the files into the folder of data sets",
        ) from error


def _copy(name: str, source: BinaryIO, out: BinaryIO, most: int) -> str:
    digest, n = hashlib.sha256(), 0
    while piece := source.read(_PIECE_BYTES):
        n += len(piece)
        if n > most:
            raise ConfigError(f"{name} has more than {most:,} bytes", fix="raise data.max_fetch_bytes")
        digest.update(piece)
        out.write(piece)
    return digest.hexdigest()


def _options(url: str) -> dict[str, Any]:
    """Of HTTP: no limit for the whole, which may take hours, but one for silence."""
    if urlsplit(url).scheme not in ("http", "https"):
        return {}
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=_SILENCE_SECONDS, sock_read=_SILENCE_SECONDS)
    return {"client_kwargs": {"timeout": timeout}, "block_size": 0}


def _check(name: str, digest: str, wanted: str, what: str) -> None:
    if digest != wanted.lower():
        raise ConfigError(
            f"{name}: {what} has the sha256 {digest}, and not {wanted}",
            fix="delete it and try again; if it comes back, do not use it, or correct data.hashes",
        )


def _recorded(path: Path) -> Path:
    return path.with_name(path.name + _HASH)


def _file_name(url: str) -> str:
    """The last part of the path: its ending says what it is."""
    return PurePosixPath(urlsplit(url).path).name or "data"
