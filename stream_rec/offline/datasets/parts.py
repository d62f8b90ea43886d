"""The files that a path stands for: itself, those of a folder, a pattern, a zip or a tar."""

from __future__ import annotations

import glob
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

from stream_rec.errors import ConfigError

MAX_FILES = 100_000
_N_DIGITS = 6
"""Of the number that stands before the name of a file from an archive."""


def exists(path: Path) -> bool:
    """Is it a file, a folder or a pattern that some file fits?"""
    return path.exists() or ("*" in str(path) and bool(_fitting(path)))


@contextmanager
def parts(path: Path, pattern: str = "") -> Iterator[list[Path]]:
    """The files, by name; an archive's are unpacked for as long as they are used.

    Args:
        path: a file, a folder, a pattern such as `logs/*.csv`, a zip or a tar.
        pattern: names that are read of a folder or archive; empty = all but hidden ones.

    Raises:
        ConfigError: there are none, or the archive is damaged.
    """
    if is_archive(path):
        with tempfile.TemporaryDirectory() as folder:
            _unpack(path, pattern, Path(folder))
            yield _some(sorted(each for each in Path(folder).iterdir()), path)
        return
    if path.is_file():
        yield [path]
        return
    if path.is_dir():
        found = [each for each in path.rglob("*") if each.is_file() and _is_wanted(each.name, pattern)]
    else:
        found = [each for each in _fitting(path) if each.is_file()]
    yield _some(sorted(found), path)


def own_name(file: Path, path: Path) -> str:
    """The name that one of a path's files has by itself: what `files` is held against."""
    return file.name[_N_DIGITS + 1 :] if is_archive(path) else file.name


def is_archive(path: Path) -> bool:
    """Is it a file that holds files?"""
    if not path.is_file() or path.suffix.lower() == ".xlsx":
        return False
    return zipfile.is_zipfile(path) or _is_tar(path)


def _is_tar(path: Path) -> bool:
    """By its name, too: to look for a header in everything that is gzip would unpack it."""
    is_named_so = path.name.lower().endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))
    return is_named_so and tarfile.is_tarfile(path)


def _fitting(path: Path) -> list[Path]:
    return [Path(name) for name in glob.glob(str(path))]  # noqa: PTH207 - the pattern may be absolute


def _unpack(path: Path, pattern: str, folder: Path) -> None:
    unpack = _unpack_tar if _is_tar(path) else _unpack_zip
    try:
        unpack(path, pattern, folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(f"cannot unpack {path}: {error}", fix="unpack it, and name the file") from error


def _unpack_zip(path: Path, pattern: str, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        wanted = [
            each for each in archive.infolist() if not each.is_dir() and _is_wanted(each.filename, pattern)
        ]
        for n, each in enumerate(wanted[:MAX_FILES]):
            with archive.open(each) as source:
                _take(source, each.filename, n, folder)


def _unpack_tar(path: Path, pattern: str, folder: Path) -> None:
    with tarfile.open(path) as archive:
        n = 0
        for each in archive:
            source = archive.extractfile(each) if each.isreg() and _is_wanted(each.name, pattern) else None
            if source is not None and n < MAX_FILES:
                _take(source, each.name, n, folder)
                n += 1


def _take(source: IO[bytes], name: str, n: int, folder: Path) -> None:
    """Under a name of ours: theirs may lead anywhere."""
    with (folder / f"{n:0{_N_DIGITS}}-{Path(name).name}").open("wb") as out:
        shutil.copyfileobj(source, out)


def _is_wanted(name: str, pattern: str) -> bool:
    last = Path(name).name
    if last.startswith((".", "_")) or "__MACOSX" in name:
        return False
    return fnmatch(last, pattern) if pattern else True


def _some(found: list[Path], path: Path) -> list[Path]:
    if not found:
        raise ConfigError(f"there is no file in {path}", fix="name a file, or set the shape's `files`")
    return found[:MAX_FILES]
