"""docker-compose.yml and Dockerfile run what the tests run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from stream_rec.settings import load
from tests.kafka import IMAGE, container_environment

ROOT = Path(__file__).parents[2]
WHERE = {
    "LISTENERS",
    "ADVERTISED_LISTENERS",
    "LISTENER_SECURITY_PROTOCOL_MAP",
    "CONTROLLER_QUORUM_VOTERS",
    "LOG_DIRS",
}
"""Settings that say where a broker listens and writes: they differ between a container and a test."""


@pytest.fixture
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


def test_kafka_has_the_image_and_the_settings_of_the_tests(services: dict[str, Any]) -> None:
    kafka = services["kafka"]
    assert kafka["image"] == IMAGE
    tested = {
        name: value
        for name, value in container_environment(0).items()
        if name.removeprefix("KAFKA_") not in WHERE
    }
    assert tested.items() <= kafka["environment"].items()


def test_redis_keeps_nothing_on_disk_as_in_the_tests(services: dict[str, Any], redis_url: str) -> None:
    words = shlex.split(services["redis"]["command"])[1:]
    options = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    assert options.keys() == {"save", "appendonly"}
    with redis.Redis.from_url(redis_url) as client:
        assert {name: client.config_get(name)[name] for name in options} == options


def test_the_worker_waits_for_healthy_servers_and_finds_them(services: dict[str, Any]) -> None:
    worker = services["worker"]
    assert worker["depends_on"] == {name: {"condition": "service_healthy"} for name in ("kafka", "redis")}
    settings, _ = load(environment=worker["environment"])
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INSIDE://{settings.bus.bootstrap}" in advertised.split(",")
    assert settings.store.url == "redis://redis:6379/0"


def test_the_server_finds_what_the_worker_finds_and_listens_where_its_port_leads(
    services: dict[str, Any],
) -> None:
    serve, worker = services["serve"], services["worker"]
    settings, _ = load(environment=serve["environment"])
    assert serve["command"] == "serve"
    assert worker["environment"].items() <= serve["environment"].items()
    assert serve["ports"] == [f"127.0.0.1:{settings.serve.port}:{settings.serve.port}"]
    assert f":{settings.serve.port}/readyz" in serve["healthcheck"]["test"]


def test_nothing_is_open_to_the_network(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_service_has_a_health_check(services: dict[str, Any]) -> None:
    assert all("healthcheck" in services[name] for name in ("kafka", "redis"))
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_the_image_sets_only_settings_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text()
    found = dict(re.findall(r"(STREAM_REC__\w+)=(\S+)", text))
    settings, _ = load(environment=found)
    assert settings.measure.prometheus_port == 9464
    assert "EXPOSE 9464" in text


def test_compose_itself_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no `docker compose` here")
    checked = subprocess.run(
        [docker, "compose", "config", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stderr
