"""Servers that demand TLS and a name. One Kafka for all of these tests; `identities` are the ways into it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.settings import BusSettings
from tests.certificates import Authority, Certificate
from tests.kafka import need_a_jvm
from tests.security.secured_kafka import CERTIFIED_USER, PASSWORD, PLAIN_USER, SCRAM_USER, SecuredKafka

ROOT = Path(__file__).parents[2]
KEY_PASSWORD = "k3y-s3cret"
IDENTITIES = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "certificate")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no server knows."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="session")
def certified(authority: Authority) -> Certificate:
    """Of `CERTIFIED_USER`; its key is encrypted with `KEY_PASSWORD`."""
    return authority.issue(CERTIFIED_USER, password=KEY_PASSWORD)


@pytest.fixture(scope="session")
def secured(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    need_a_jvm()
    SecuredKafka.authority, SecuredKafka.certificate = authority, authority.issue("broker")
    with SecuredKafka.start(tmp_path_factory.mktemp("secured-kafka")) as server:
        server.add_scram_user()
        yield server


@pytest.fixture
def identities(
    secured: SecuredKafka, authority: Authority, certified: Certificate, prefix: str
) -> dict[str, BusSettings]:
    """Ways into Kafka, all with the rights of docs/security.md."""
    for user in (PLAIN_USER, SCRAM_USER, f"CN={CERTIFIED_USER}"):
        secured.allow(user, documented_rights(prefix))
    by_password = {
        mechanism: {
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": mechanism,
            "sasl.username": PLAIN_USER if mechanism == "PLAIN" else SCRAM_USER,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(authority.ca),
        }
        for mechanism in IDENTITIES[:3]
    }
    by_certificate = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(authority.ca),
        "ssl.certificate.location": str(certified.certificate),
        "ssl.key.location": str(certified.key),
        "ssl.key.password": KEY_PASSWORD,
    }

    def bus(listener: str, security: dict[str, str]) -> BusSettings:
        address = secured.addresses[listener]
        return BusSettings(bootstrap=address, prefix=prefix, group=f"{prefix}group", security=security)

    ways = {mechanism: bus("SASL_SSL", security) for mechanism, security in by_password.items()}
    return {**ways, "certificate": bus("MUTUAL", by_certificate)}


def documented_rights(prefix: str) -> list[tuple[str, str, str, str]]:
    """Of the commands in docs/security.md: resource type, pattern type, name, operation."""
    lines = (ROOT / "docs" / "security.md").read_text().splitlines()
    rights = []
    for line in lines:
        if not line.startswith("kafka-acls.sh --add"):
            continue
        words = shlex.split(line.replace("shop-", prefix))
        options = list(zip(words[2::2], words[3::2], strict=True))
        given = dict(options)
        kind = "topic" if "--topic" in given else "group"
        operations = [value for name, value in options if name == "--operation"]
        pattern = given["--resource-pattern-type"]
        rights += [(kind.upper(), pattern, given[f"--{kind}"], operation) for operation in operations]
    assert len(rights) >= 2
    return rights


@pytest.fixture
def acl_redis(redis_server: RedisServer) -> Iterator[tuple[int, str]]:
    """Port and password of a Redis where only the user `worker` of docs/redis.md may do something."""
    documented = (ROOT / "docs" / "redis.md").read_text()
    (rule,) = re.findall(r"^(ACL SETUSER worker .+)$", documented, re.MULTILINE)
    password = "redis-s3cret/pw"
    port = int(re.findall(r":(\d+)/", redis_server.url)[0])
    with redis.Redis.from_url(redis_server.url) as client:
        client.execute_command(*rule.replace("PASSWORD", password).split())
        client.execute_command("ACL", "SETUSER", "admin", "on", f">{password}", "~*", "+@all")
        client.execute_command("ACL", "SETUSER", "default", "off")
    with redis.Redis(port=port, username="admin", password=password) as client:
        client.ping()
        yield port, password
        client.execute_command("ACL", "SETUSER", "default", "on")
        client.execute_command("ACL", "DELUSER", "worker")
    with redis.Redis.from_url(redis_server.url) as client:
        client.execute_command("ACL", "DELUSER", "admin")
