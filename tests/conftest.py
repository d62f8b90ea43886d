"""Real servers for every test, started once per session and stopped at its end.

| fixture | is |
|---|---|
| `tansu` | address of the embedded broker |
| `kafka` | address of Apache Kafka (`tests/kafka.py` says whose) |
| `bootstrap` | address of a broker: the test runs on the embedded one and (mark `kafka`) on Apache Kafka |
| `prefix` | a topic and key prefix that no other test has, so that tests share the servers |
| `redis_url` | an empty Redis |
| `redis_server` | that Redis, to stop and start again; leave it running |
| `settings` | defaults with `bootstrap`, `prefix`, a group of its own and `redis_url`: runs on both brokers |
| `tansu_settings` | the same on the embedded broker only: for tests where the broker does not matter |
"""

from __future__ import annotations

import ctypes
import gc
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from xdist.scheduler import LoadFileScheduling

from stream_rec.embedded import child_process
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.embedded.tansu import TansuServer
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.forked.process import Run, Spawner
from tests.kafka import apache_kafka

_M_MMAP_THRESHOLD = -3
"""As in <malloc.h>."""
_USUAL_ALLOCATIONS = gc.get_threshold()
_ALLOCATIONS_OF_IMPORTS = 200_000
"""Between two looks for garbage; the usual is 700."""


def pytest_configure() -> None:
    """Arrays of zeros are fresh pages, which cost nothing until they are touched.

    By itself the C library keeps what was freed once, and fills it with zeros for the next one: of an engine that is
    made for a few events it took most of the time.

    And until the tests are collected garbage is hardly looked for, which took a tenth of that time.
    """
    gc.set_threshold(_ALLOCATIONS_OF_IMPORTS)
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 128 * 1024)


def pytest_collection_finish() -> None:
    """What was imported stays: the collector of garbage need not look at it again, a tenth of the time of all tests."""
    gc.freeze()
    gc.set_threshold(*_USUAL_ALLOCATIONS)


WAITING = (
    "api",
    "bench",
    "bus",
    "cli",
    "consumers",
    "contract",
    "deploy",
    "docs",
    "page",
    "security",
    "sink",
)
"""Folders whose tests start processes and wait for them, the longest of all."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes, at any time some wait and some compute, and nothing long comes last."""
    if not hasattr(config, "workerinput"):
        return
    files = list(dict.fromkeys(item.path for item in items))
    waiting = {path for path in files if path.relative_to(Path(__file__).parent).parts[0] in WAITING}
    computing = [path for path in files if path not in waiting]
    place = {path: n / len(computing) for n, path in enumerate(computing)}
    place |= {path: 0.75 * n / len(waiting) for n, path in enumerate(sorted(waiting))}
    items.sort(key=lambda item: place[item.path])


class _ByServers(LoadFileScheduling):
    """A file goes to one process, which starts its servers once; so do the files that share a slow one."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/security" if nodeid.startswith("tests/security/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    config.option.loadscopereorder = False  # the order is ours
    return _ByServers(config, log) if config.option.dist == "loadfile" else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rule-sets", type=int, default=10, help="random shops that test_never_shown.py tries")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for all processes of this run of the tests."""
    mine = tmp_path_factory.getbasetemp()
    return mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine  # noqa: TID251 - of pytest, not of ours


@pytest.fixture(scope="session", autouse=True)
def _starts(run_folder: Path) -> Iterator[None]:
    Run.folder = run_folder / "starts"
    Run.folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        spawner = Spawner(child_process._spawner)
        patch.setattr(child_process, "_spawner", lambda: spawner)
        yield


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with TansuServer.start(tmp_path_factory.mktemp("tansu")) as broker:
        yield broker.bootstrap


@pytest.fixture(scope="session")
def kafka(run_folder: Path, request: pytest.FixtureRequest, _prefixes: list[str]) -> str:
    """A JVM takes seconds to start, and minutes to become fast: there is one for all processes of this run."""
    ending = ExitStack()
    # Not at the end of our last test: others use it longer, and the wait would be taken for that test's.
    request.config.add_cleanup(ending.close)
    return ending.enter_context(apache_kafka(run_folder, _prefixes))


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def _prefixes() -> list[str]:
    """All that were handed out."""
    return []


@pytest.fixture
def prefix(_prefixes: list[str]) -> str:
    _prefixes.append(f"t{uuid.uuid4().hex[:10]}-")
    return _prefixes[-1]


@pytest.fixture(scope="session")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer.start(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(_redis: RedisServer) -> RedisServer:
    with redis.Redis.from_url(_redis.url) as client:
        client.flushall()
        client.config_resetstat()
    return _redis


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


def _settings(bootstrap: str, prefix: str, redis_url: str) -> Settings:
    return Settings(
        bus=BusSettings(bootstrap=bootstrap, prefix=prefix, group=f"{prefix}group"),
        store=StoreSettings(url=redis_url),
    )


@pytest.fixture
def settings(bootstrap: str, prefix: str, redis_url: str) -> Settings:
    return _settings(bootstrap, prefix, redis_url)


@pytest.fixture
def tansu_settings(tansu: str, prefix: str, redis_url: str) -> Settings:
    return _settings(tansu, prefix, redis_url)
