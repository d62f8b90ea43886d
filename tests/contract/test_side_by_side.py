"""Partitions read side by side: each in log order, in any order between them, and never much more than is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from confluent_kafka import Producer

from stream_rec.bus.side_by_side import SideBySide, Where, opened
from stream_rec.bus.topics import ensure_topics
from stream_rec.settings import BusSettings, Settings

N = 600
A: Where = ("events", 0)
B: Where = ("events", 1)


@pytest.fixture
def bus(settings: Settings) -> BusSettings:
    """Two partitions with N records each: partition and offset."""
    bus = settings.bus.model_copy(update={"batch_max_records": 25})
    ensure_topics(bus)
    producer = Producer({"bootstrap.servers": bus.bootstrap})
    for offset in range(N):
        for partition in (0, 1):
            producer.produce(f"{bus.prefix}events", f"{partition}/{offset}", partition=partition)
    assert producer.flush(30) == 0
    return bus


def read(log: SideBySide, where: Where, until: int) -> list[str]:
    """All there is before an offset."""
    found: list[str] = []
    while (batch := log.take(where, until)) is not None:
        assert len(batch) <= 25
        found += [value.decode() for value in batch.values if value is not None]
    return found


def expected(where: Where, begin: int, end: int) -> list[str]:
    return [f"{where[1]}/{offset}" for offset in range(begin, end)]


def test_stretches_come_as_they_are_asked_for(bus: BusSettings) -> None:
    rng = np.random.default_rng(1)
    at = {A: 0, B: 100}
    with opened(bus, {A: (0, N), B: (100, N - 50)}) as log:
        while at != {A: N, B: N - 50}:
            where = (A, B)[rng.integers(2)]
            until = min(at[where] + int(rng.integers(1, 90)), N if where == A else N - 50)
            assert read(log, where, until) == expected(where, at[where], until)
            at[where] = until
        assert log.head(A) is None
        assert log.head(B) is None


def test_what_is_asked_for_late_waits_within_a_bound(bus: BusSettings) -> None:
    with opened(bus, {A: (0, N), B: (0, N)}) as log:
        assert read(log, A, N) == expected(A, 0, N)
        assert len(log._streams[B].records) <= 8 * 25 + 2 * 25
        assert read(log, B, N) == expected(B, 0, N)


def test_a_batch_ends_before_the_first_record_that_is_refused(bus: BusSettings) -> None:
    with opened(bus, {A: (0, N)}) as log:
        batch = log.take(A, N, lambda _, offset: offset < 7)
        assert batch is not None
        assert (batch.start, batch.next, len(batch)) == (0, 7, 7)
        head = log.head(A)
        assert head is not None
        assert head[1] == 7


def test_an_empty_stretch_is_used_up(bus: BusSettings) -> None:
    with opened(bus, {A: (5, 5)}) as log:
        assert log.take(A, 100) is None
        assert log.head(A) is None
