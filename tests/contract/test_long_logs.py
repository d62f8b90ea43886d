"""The embedded broker goes through all of a partition at every fetch; when the wait is over it answers with nothing.

Whoever reads has to give it the time. The waits are short here, so that the log need not be long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from stream_rec.bus import lag, stretches
from stream_rec.bus.reader import Fetching, Reader, Start
from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.tansu import TansuServer
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import BusSettings
from tests.bus.test_transport import acks, consuming_topic
from tests.waiting import wait_until

N = 60_000
PER_BATCH = 2
NEAR_THE_END = N - 1_000


@pytest.fixture(scope="module")
def bus() -> Iterator[BusSettings]:
    """One partition of very many small batches, on a broker of its own."""
    with TansuServer.start() as broker:
        bus = BusSettings(bootstrap=broker.bootstrap, partitions=1, group="long")
        ensure_topics(bus)
        producer = Producer({"bootstrap.servers": bus.bootstrap, "batch.num.messages": PER_BATCH})
        for i in range(N):
            producer.produce("events", b"an event", b"a key")
            if i % 10_000 == 0:
                producer.flush()
        assert producer.flush(60) == 0
        yield bus


def test_the_end_of_a_long_log_is_found(bus: BusSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "FETCHING", replace(lag.FETCHING, wait_seconds=0.001))
    assert lag.ends(bus, "events") == {0: N}


def test_a_reader_gets_to_the_end_of_a_long_log(bus: BusSettings) -> None:
    offsets: list[int] = []
    with closing(Reader(bus, Fetching(1_000, 1 << 20, wait_seconds=0.001))) as reader:
        reader.begin({TopicPartition("events", 0): Start(NEAR_THE_END)})

        def is_there() -> bool:
            for read in reader.read():
                offsets.extend(read.batch.offsets)
            return len(offsets) == N - NEAR_THE_END

        wait_until(is_there, 60, "the end")
    assert offsets == list(range(NEAR_THE_END, N))


def test_stretches_near_the_end_of_a_long_log_are_read(
    bus: BusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time travel waits as long as the broker needs."""
    monkeypatch.setattr(stretches, "FETCHING", replace(stretches.FETCHING, wait_seconds=0.001))
    at = TopicPartition("events", 0)
    with stretches.opened(bus, {at: (NEAR_THE_END, N)}) as log:
        assert log.head(at) is not None
        n = 0
        while (batch := log.take(at, N)) is not None:
            n += len(batch)
    assert n == N - NEAR_THE_END


def test_a_worker_of_the_group_gets_to_the_end_of_a_long_log(bus: BusSettings, tmp_path: Path) -> None:
    plain = Consumer({"bootstrap.servers": bus.bootstrap, "group.id": bus.group})
    plain.commit(offsets=[KafkaPartition("events", 0, NEAR_THE_END)], asynchronous=False)
    with consuming_topic(bus, "events", tmp_path / "notes", "hasty"):
        wait_until(lambda: plain.committed([KafkaPartition("events", 0)], 10)[0].offset == N, 60, "the end")
    assert acks(tmp_path / "notes")[0][2] == NEAR_THE_END
