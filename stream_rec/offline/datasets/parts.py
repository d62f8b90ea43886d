"""The files that a path stands for: itself, those of a folder, a pattern or a zip."""

from __future__ import annotations

import glob
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from stream_rec.errors import ConfigError

MAX_FILES = 100_000


def exists(path: Path) -> bool:
    """Is it a file, a folder or a pattern that some file fits?"""
    return path.exists() or ("*" in str(path) and bool(_fitting(path)))


@contextmanager
def parts(path: Path, pattern: str = "") -> Iterator[list[Path]]:
    """The files, by name; a zip's are unpacked for as long as they are used.

    Args:
        path: a file, a folder, a pattern such as `logs/*.csv`, or a zip.
        pattern: names that are read of a folder or zip; empty = all but hidden ones.

    Raises:
        ConfigError: there are none, or the zip is damaged.
    """
    if path.is_file() and zipfile.is_zipfile(path) and path.suffix.lower() != ".xlsx":
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


def _fitting(path: Path) -> list[Path]:
    return [Path(name) for name in glob.glob(str(path))]  # noqa: PTH207 - the pattern may be absolute


def _unpack(path: Path, pattern: str, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [
                each
                for each in archive.infolist()
                if not each.is_dir() and _is_wanted(each.filename, pattern)
            ]
            for n, each in enumerate(wanted[:MAX_FILES]):
                with (
                    archive.open(each) as source,
                    (folder / f"{n:06}-{Path(each.filename).name}").open("wb") as out,
                ):
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ConfigError(f"cannot unpack {path}: {error}", fix="unpack it, and name the file") from error


def _is_wanted(name: str, pattern: str) -> bool:
    last = Path(name).name
    if last.startswith((".", "_")) or "__MACOSX" in name:
        return False
    return fnmatch(last, pattern) if pattern else True


def _some(found: list[Path], path: Path) -> list[Path]:
    if not found:
        raise ConfigError(f"there is no file in {path}", fix="name a file, or set the shape's `files`")
    return found[:MAX_FILES]
