"""Apache Kafka for the tests: an address from the environment, a container, or a JVM of our own; in that order.

With `CI` set, tests that need it fail where it cannot be had; else they are skipped and say why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from stream_rec.embedded.broker import answers
from stream_rec.embedded.kafka import VERSION, KafkaServer, jars, java, properties
from stream_rec.embedded.server import free_port
from stream_rec.errors import StreamRecError, Unavailable
from tests.one_for_all import one_for_all
from tests.waiting import wait_until

IMAGE = f"apache/kafka:{VERSION}"
_IN_CONTAINER = 9092
_PULL_SECONDS = 240


@contextmanager
def apache_kafka(run_folder: Path, prefixes: list[str]) -> Iterator[str]:
    """Yields its address; skips (or in CI fails) the test that asks when there is none.

    Args:
        run_folder: the same for all processes of this run of the tests, which share what one of them starts; it
            keeps the log of a JVM of our own.
        prefixes: of the topics that tests make; on a broker that was given they are deleted at the end.
    """
    given = os.environ.get("STREAM_REC_TEST_KAFKA")  # noqa: TID251 - a setting of the tests
    if given:
        yield given
        _delete_topics(given, tuple(prefixes))
        return
    with one_for_all(run_folder / "kafka", lambda: _ready(run_folder)) as bootstrap:
        yield bootstrap


@contextmanager
def _ready(log_dir: Path) -> Iterator[str]:
    """A broker whose groups work: the topic of their offsets is made when the first one asks, which is refused."""
    with _started(log_dir) as bootstrap:
        group = Consumer({"bootstrap.servers": bootstrap, "group.id": "the-first-to-ask"})
        wait_until(lambda: _knows_offsets(group), 60, "a coordinator of groups")
        group.close()
        yield bootstrap


def _knows_offsets(group: Consumer) -> bool:
    try:
        group.committed([TopicPartition("nothing", 0)], 10)
    except KafkaException:
        return False
    return True


@contextmanager
def _started(log_dir: Path) -> Iterator[str]:
    why_no_container = container_is_missing()
    if not why_no_container:
        with _container() as bootstrap:
            yield bootstrap
        return
    try:
        server = KafkaServer.start(log_dir)
    except StreamRecError as error:
        _give_up(f"STREAM_REC_TEST_KAFKA is not set; Docker: {why_no_container}; local JVM: {error}")
    with server:
        yield server.bootstrap


def need_a_jvm() -> None:
    """Skips (or in CI fails) the test where Apache Kafka cannot run as a process of our own."""
    try:
        java()
        jars()
    except StreamRecError as error:
        _give_up(str(error))


def container_is_missing() -> str:
    """Why there can be no container: no Docker, or no image. Empty = there can."""
    import docker

    try:
        client = docker.from_env(timeout=_PULL_SECONDS)
        client.ping()
        if not client.images.list(IMAGE):
            client.images.pull(IMAGE)
        client.close()
    except docker.errors.DockerException as error:
        return f"{IMAGE} is not to be had ({error})"
    return ""


def container_environment(port: int) -> dict[str, str]:
    """The same single node as on a local JVM, as the image wants it: KAFKA_ and the setting's name."""
    settings = properties(
        f"127.0.0.1:{port}",
        "localhost:29093",
        log_dir="/tmp/kafka",
        listen_on=f"0.0.0.0:{_IN_CONTAINER}",
    )
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer

    port = free_port()
    container = DockerContainer(IMAGE)
    container.ports[_IN_CONTAINER] = ("127.0.0.1", port)  # `with_bind_ports` would open it to the network
    for name, value in container_environment(port).items():
        container.with_env(name, value)
    with container:
        bootstrap = f"127.0.0.1:{port}"
        wait_until(lambda: answers(bootstrap), 120, f"Kafka in a container of {IMAGE}")
        yield bootstrap


def _delete_topics(bootstrap: str, prefixes: tuple[str, ...]) -> None:
    client = AdminClient({"bootstrap.servers": bootstrap})
    ours = [name for name in client.list_topics(timeout=30).topics if name.startswith(prefixes)]
    if ours:
        for deleted in client.delete_topics(ours).values():
            deleted.result()


def _give_up(reason: str) -> None:
    if os.environ.get("CI"):  # noqa: TID251 - a setting of the tests
        raise Unavailable("kafka", f"CI must test on Apache Kafka: {reason}")
    pytest.skip(f"no Apache Kafka: {reason}")
