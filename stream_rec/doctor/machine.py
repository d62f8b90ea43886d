"""Python, packages, the caches, and what the embedded servers need."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from stream_rec.doctor.finding import Finding
from stream_rec.errors import ConfigError
from stream_rec.settings import Settings, cache_folder, wanted_cache_folder


def examine(settings: Settings) -> Iterator[Finding]:
    """Python and packages; the cache folder; Java and Maven when nothing else gives Apache Kafka."""
    yield _python()
    yield from _packages()
    yield _cache()
    if not settings.bus.bootstrap:
        yield _java()


def _python() -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Finding("ok", f"Python {version}, stream-rec {metadata.version('stream-rec')}")
    return Finding("fail", f"Python {version}", "use Python 3.11 or 3.12")


def _packages() -> Iterator[Finding]:
    """Every dependency is there in a version that was asked for: internals of some are relied upon."""
    wrong = 0
    required = [Requirement(text) for text in metadata.requires("stream-rec") or ()]
    for need in required:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            found = "missing"
        if found == "missing" or not need.specifier.contains(found, prereleases=True):
            wrong += 1
            yield Finding("fail", f"{need.name} is {found}", f"pip install '{need.name}{need.specifier}'")
    if not wrong:
        shown = ("faust-streaming", "confluent-kafka", "faiss-cpu", "numba", "redis")
        yield Finding("ok", ", ".join(f"{name} {metadata.version(name)}" for name in shown))


def _cache() -> Finding:
    wanted, fix = wanted_cache_folder(), "set XDG_CACHE_HOME to a writable folder"
    try:
        folder = cache_folder()
    except ConfigError as error:
        return Finding("warn", f"{error.message}: every start compiles anew", fix)
    if folder != wanted:
        where = wanted or "~/.cache/stream-rec"
        return Finding("warn", f"the cache folder {where} cannot be written: {folder} takes its place", fix)
    return Finding("ok", f"cache folder {folder}")


def _java() -> Finding:
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        what = f"no {' and no '.join(missing)}: `up --broker kafka` cannot start Apache Kafka"
        return Finding(
            "warn", what, "install Java 17 and Maven, if you want it (the embedded broker needs neither)"
        )
    return Finding("ok", "Java and Maven, for `up --broker kafka`")
