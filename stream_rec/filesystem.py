"""A folder by its path or fsspec URL: opened with our errors, written so that a file is seen whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any

import fsspec

from stream_rec.errors import ConfigError, StreamRecError, Unavailable


def opened(url: str, options: Mapping[str, str], branch: str) -> tuple[Any, str]:
    """The file system of a URL, and the path within it.

    Args:
        url: a folder's.
        options: of the file system.
        branch: of the settings that `url` and `options` are from, for messages.

    Raises:
        ConfigError: fsspec lacks what the URL's file system needs, or refuses the URL.
    """
    try:
        fs, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        scheme = url.partition(":")[0]
        package = "'stream-rec[s3]'" if scheme in ("s3", "s3a") else f"the package for {scheme}: URLs"
        raise ConfigError(f"{branch}.url cannot be opened: {error}", fix=f"pip install {package}") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{branch}.url cannot be opened: {error}", fix=f"correct {branch}.url and {branch}.options"
        ) from error
    return fs, str(root).rstrip("/")


def need_bucket(fs: Any, root: str, branch: str) -> None:
    """A store of objects has no folders, so one without files is no error; a bucket that is not there is one.

    Raises:
        ConfigError: it is not there.
    """
    bucket = root.partition("/")[0]
    is_of_objects = not {"s3", "gs", "az"}.isdisjoint(_protocols(fs))
    if is_of_objects and not fs.exists(bucket):
        raise ConfigError(f"bucket {bucket!r} does not exist", fix=f"create it, or correct {branch}.url")


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def sync(path: Path, durable: bool = True) -> None:
    """Sync the file, or the folder; or let the kernel write it back in its own time."""
    if not durable:
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def translated(service: str, kept: type[Exception] | UnionType = FileNotFoundError) -> Iterator[None]:
    """What a file system raises, as `Unavailable`; a file that is not there, and what is `kept`, as it is."""
    try:
        yield
    except Exception as error:
        if isinstance(error, FileNotFoundError | StreamRecError | kept):
            raise
        raise Unavailable(service, f"{type(error).__name__}: {error}") from error
