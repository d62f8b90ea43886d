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

import gc
import uuid
from collections.abc import Iterator

import pytest
import redis

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.embedded.tansu import TansuServer
from stream_rec.settings import BusSettings, Settings, StoreSettings
from tests.kafka import apache_kafka


def pytest_collection_finish() -> None:
    """What was imported stays: the collector of garbage need not look at it again, a tenth of the time of all tests."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rule-sets", type=int, default=10, help="random shops that test_never_shown.py tries")


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with TansuServer.start(tmp_path_factory.mktemp("tansu")) as broker:
        yield broker.bootstrap


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, _prefixes: list[str]) -> Iterator[str]:
    with apache_kafka(tmp_path_factory.mktemp("kafka"), _prefixes) as address:
        yield address


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
