"""The batch transport on real brokers: what is committed, what comes again, what stays in memory."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stream_rec.embedded.tansu import TansuServer
from stream_rec.settings import BusSettings, Settings
from tests.waiting import wait_until

N_PARTITIONS = 3
COMMIT_SECONDS = BusSettings().commit_interval_seconds
BATCH = BusSettings().batch_max_records


class Log:
    """A topic with n records, and its group."""

    def __init__(self, bus: BusSettings) -> None:
        bootstrap = bus.bootstrap
        self.bus, self.topic, self.group = bus, f"{bus.prefix}log", bus.group
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.create_topics([NewTopic(self.topic, N_PARTITIONS, 1)]).values():
            future.result()
        self._plain = Consumer({"bootstrap.servers": bootstrap, "group.id": self.group})
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 1_000_000,
            }
        )

    def write(self, n: int, value: bytes = b"an event of some length, say") -> None:
        for i in range(n):
            self._producer.produce(self.topic, value, partition=i % N_PARTITIONS)
            if i % 1_000 == 0:
                self._producer.poll(0)
        assert self._producer.flush(120) == 0

    def committed(self) -> dict[int, int]:
        asked = [TopicPartition(self.topic, partition) for partition in range(N_PARTITIONS)]
        return {at.partition: max(0, at.offset) for at in self._plain.committed(asked, 10)}


@pytest.fixture
def log(settings: Settings) -> Log:
    return Log(settings.bus)


@contextmanager
def consuming(
    log: Log, notes: Path, *mode: str, stdout: IO[str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with consuming_topic(log.bus, log.topic, notes, *mode, stdout=stdout) as process:
        yield process


@contextmanager
def consuming_topic(
    bus: BusSettings, topic: str, notes: Path, *mode: str, stdout: IO[str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "tests.bus.transport_process", bus.bootstrap, topic, bus.group]
    process = subprocess.Popen([*argv, str(bus.session_timeout_seconds), str(notes), *mode], stdout=stdout)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def acks(notes: Path) -> list[tuple[float, int, int, int]]:
    """(seconds, partition, start, next) of every ack so far."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    rows = [line.split() for line in lines if line.count(" ") == 3]
    return [(float(at), int(partition), int(start), int(next_)) for at, partition, start, next_ in rows]


def test_after_n_events_and_a_commit_interval_committed_is_the_end_of_every_partition(
    log: Log, tmp_path: Path
) -> None:
    log.write(200_000)
    end = {0: 66_667, 1: 66_667, 2: 66_666}
    with consuming(log, tmp_path / "notes"):
        wait_until(lambda: log.committed() == end, 60, "committed = end")
    for partition in range(N_PARTITIONS):
        spans = [(start, next_) for _, p, start, next_ in acks(tmp_path / "notes") if p == partition]
        assert spans[0][0] == 0
        assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(spans))
        assert all(next_ - start <= BATCH for start, next_ in spans)


def test_kill_repeats_at_most_a_commit_interval_and_a_batch(log: Log, tmp_path: Path) -> None:
    """And whoever comes next begins exactly where the last commit was."""
    first, second = tmp_path / "first", tmp_path / "second"
    with consuming(log, first) as process:

        def commits_while_events_come() -> bool:
            log.write(2_000)
            return sum(log.committed().values()) > 0

        wait_until(commits_while_events_come, 60, "the first commit")
        log.write(30_000)
        process.kill()
        killed_at = time.monotonic()
    committed, done = log.committed(), acks(first)
    # Acks older than an interval are committed: another one for a machine that is slow to run the timer.
    old = {p: next_ for at, p, _, next_ in done if at < killed_at - 2 * COMMIT_SECONDS}
    assert all(committed[p] >= next_ for p, next_ in old.items())

    with consuming(log, second):
        wait_until(lambda: len({p for _, p, _, _ in acks(second)}) == N_PARTITIONS, 60, "the next consumer")
    begins = {p: start for _, p, start, _ in reversed(acks(second))}
    assert begins == committed


def test_a_stopped_agent_with_a_long_log_before_it_stays_small(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    """A million records of 140 bytes are 140 MB; what is fetched and waits is bounded in batches and bytes."""
    log = Log(tansu_settings.bus)
    log.write(1_000_000, b"x" * 140)
    with consuming(log, tmp_path / "notes", "stopped") as process:
        wait_until(
            lambda: (tmp_path / "notes").exists() and "stopped" in (tmp_path / "notes").read_text(), 60
        )
        memory = psutil.Process(process.pid)
        before = memory.memory_info().rss
        seen = [before]

        def has_settled() -> bool:
            seen.append(memory.memory_info().rss)
            return len(seen) > 100 and seen[-1] == seen[-50]

        wait_until(has_settled, 60, "memory to settle")
        assert max(seen) - before < 48 * 1024 * 1024
        assert max(seen) < 200 * 1024 * 1024
    assert log.committed() == {0: 0, 1: 0, 2: 0}


def test_a_broker_that_does_not_say_where_to_begin_is_waited_for(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    """By Faust it would be for 20 s, and nothing would be read any more."""
    with TansuServer.start(tmp_path) as broker:
        log = Log(tansu_settings.bus.model_copy(update={"bootstrap": broker.bootstrap}))
        log.write(300)
        notes, said = tmp_path / "notes", tmp_path / "said"
        with said.open("w") as out, consuming(log, notes, str(broker.pid), stdout=out) as process:
            try:
                wait_until(lambda: said.read_text().count("waiting for kafka") == 2, 90, "two lines")
                assert process.poll() is None
                assert acks(notes) == []
            finally:
                os.kill(broker.pid, signal.SIGCONT)
            wait_until(lambda: sum(log.committed().values()) == 300, 60, "all of it to be read")
