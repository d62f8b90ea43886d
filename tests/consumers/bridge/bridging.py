"""Foreign topics of the tests, and bridges over them."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stream_rec.bus.foreign import group_of, source_bus
from stream_rec.bus.lag import OffsetReader
from stream_rec.consumers.bridge.bridge import Bridge
from stream_rec.errors import Unavailable
from stream_rec.settings import Settings
from stream_rec.shapes.messages import Registry
from tests.cli.running import clean_environment
from tests.forked.process import start
from tests.toml import inline
from tests.waiting import wait_until

PARTITIONS = 3


def bridged(settings: Settings, shapes: Mapping[str, Any] | None = None, **branches: Any) -> Settings:
    """Settings with inputs and shapes, as a file would give them.

    Args:
        settings: of the servers.
        shapes: tables of `[shapes]`.
        branches: further tables, `bridge` among them.
    """
    given = settings.model_dump(exclude_unset=True)
    for name, values in {"shapes": shapes or {}, **branches}.items():
        given[name] = {**given.get(name, {}), **values}
    return Settings.model_validate(given)


def one_input(topic: str, shape: str = "native", **more: Any) -> dict[str, Any]:
    """The table `[bridge]` with one input."""
    return {"inputs": {"one": {"topic": topic, "shape": shape, **more}}}


def make_topic(bootstrap: str, name: str, partitions: int = PARTITIONS) -> str:
    """A topic; its name."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        made.result()
    wait_until(
        lambda: len(admin.list_topics(timeout=10).topics.get(name, _Nothing).partitions) == partitions,
        30,
        f"the topic {name}",
    )
    return name


class _Nothing:
    partitions = ()


def send(bootstrap: str, topic: str, values: Iterable[bytes | Mapping[str, Any] | None], **more: Any) -> int:
    """Publish messages one after another, round robin over the partitions; how many."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, **more.pop("config", {})})
    partitions = len(producer.list_topics(topic, timeout=10).topics[topic].partitions)
    n = 0
    for n, value in enumerate(values, 1):
        raw = json.dumps(value).encode() if isinstance(value, Mapping) else value
        producer.produce(topic, raw, partition=n % partitions, **more)
        producer.poll(0)
    assert producer.flush(60) == 0
    return n


def clicks(n: int, first: int = 0, users: int = 50) -> list[bytes]:
    """Messages of the preset `native`, each another event."""
    return [
        b'{"user_id":"u%d","item_id":"i%d","event_type":"view","ts":%d}' % (i % users, i, 1_700_000_000 + i)
        for i in range(first, first + n)
    ]


def run_to_end(settings: Settings, registry: Registry | None = None) -> Bridge:
    """Bridge what is there."""
    bridge = Bridge(settings, registry)
    bridge.run(threading.Event(), until_end=True)
    return bridge


def behind(settings: Settings) -> int:
    """Messages that the bridge's group has not committed; very many while a broker is too busy to say."""
    topics = [one.topic for one in settings.bridge.inputs.values()]
    try:
        return sum(at.lag for at in OffsetReader(source_bus(settings), group_of(settings)).lag(topics))
    except Unavailable:
        return sys.maxsize


@contextmanager
def in_thread(settings: Settings, registry: Registry | None = None) -> Iterator[Bridge]:
    """A bridge at work in this process; what it raises is raised at the end."""
    bridge, stopping, failures = Bridge(settings, registry), threading.Event(), []

    def work() -> None:
        try:
            bridge.run(stopping)
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield bridge
    finally:
        stopping.set()
        thread.join(30)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


class BridgeProcess:
    """`stream-rec bridge` with these settings; its log is a file."""

    def __init__(self, settings: Settings, log: Path) -> None:
        file = log.with_suffix(".json")
        file.write_text(settings.model_dump_json(exclude_unset=True))
        flags = [
            flag
            for branch, values in json.loads(file.read_text()).items()
            for key, value in values.items()
            for flag in ("--set", f"{branch}.{key}={inline(value)}")
        ]
        self._log = log
        with log.open("ab") as out:
            self._process = start(["bridge", *flags], stdout=out, stderr=out, env=clean_environment())

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def wait(self, seconds: float = 60) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(seconds)

    def stop(self) -> tuple[int, float]:
        """SIGTERM: the exit code, and the seconds it took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(30)
        return code, time.monotonic() - began


@contextmanager
def bridge_process(settings: Settings, log: Path) -> Iterator[BridgeProcess]:
    """One that runs; killed at the end if it still does, and its log shown if a test fails."""
    process = BridgeProcess(settings, log)
    try:
        yield process
    finally:
        process.kill()
        print(f"--- log of {log.name} ---\n{process.log()}")
