"""Where Apache Kafka's jars and Java come from, and what is said when they are not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stream_rec.embedded.kafka import KafkaServer, keep_first, properties
from stream_rec.errors import ConfigError
from stream_rec.settings import cache_folder
from tests.kafka import container_environment


@pytest.fixture
def only_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH with nothing on it but java; skips where there is none."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("no Java on PATH")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(java)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_without_java_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"needs Java(.|\n)*fix: apt-get install openjdk-17"):
        KafkaServer.start()


@pytest.mark.usefixtures("only_java")
def test_without_maven_and_jars_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match=r"no mvn(.|\n)*fix: apt-get install maven"):
        KafkaServer.start()
    assert not list(cache_folder().glob("kafka*"))


def test_of_two_processes_that_fetch_the_jars_at_once_the_first_one_wins(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jar").write_text(name)
        keep_first(tmp_path / name, tmp_path / "kept")
    assert (tmp_path / "kept" / "a.jar").read_text() == "first"


def test_a_container_runs_the_same_node_as_a_local_jvm() -> None:
    environment = container_environment(29092)
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:29092"
    assert environment["KAFKA_LISTENERS"] == "PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:29093"
    assert len(environment) == len(properties("a:1", "b:2", log_dir="c"))
