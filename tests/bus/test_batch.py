"""How a batch is cut from what aiokafka has fetched."""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream_rec.bus.batch import Fetched, cut
from stream_rec.schemas.partition import TopicPartition

AT = KafkaPartition("shop-events", 3)
TP = TopicPartition("events", 3)


class State:
    """aiokafka's state of a partition, as far as a fetch result looks at it."""

    paused = False

    def __init__(self, position: int) -> None:
        self.position = position

    def consumed_to(self, position: int) -> None:
        self.position = position


class Assignment:
    active = True

    def __init__(self, state: State) -> None:
        self._state = state

    def state_value(self, _: KafkaPartition) -> State:
        return self._state


def record_batch(first: int, values: list[bytes], *, missing: frozenset[int] = frozenset()) -> bytes:
    """A record batch of consecutive offsets, of which compaction has taken some."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000_000)
    for i, value in enumerate(values):
        if i not in missing:
            builder.append(i, 1_000 + i, b"k%d" % i, value, [])
    raw = bytearray(builder.build())
    raw[0:8] = first.to_bytes(8, "big")
    raw[23:27] = (len(values) - 1).to_bytes(4, "big")  # compaction keeps the last offset of a batch
    return bytes(raw)


def plain(start: int, next_: int, *offsets: int) -> Fetched:
    n = len(offsets)
    return Fetched(
        "events", 3, 7, start, next_, [b"k"] * n, [b"%d" % o for o in offsets], list(offsets), [1] * n
    )


def test_slices_follow_each_other_and_hold_every_record_once() -> None:
    batch = plain(10, 30, 12, 13, 17, 18, 25)
    slices = list(batch.slices(2))
    assert [(s.start, s.next, s.offsets) for s in slices] == [
        (10, 17, [12, 13]),
        (17, 25, [17, 18]),
        (25, 30, [25]),
    ]
    assert [value for s in slices for value in s.values] == batch.values
    assert {(s.topic, s.partition, s.epoch) for s in slices} == {("events", 3, 7)}


def test_a_batch_without_records_is_one_slice_that_passes_its_offsets() -> None:
    assert [(s.start, s.next, len(s)) for s in plain(10, 30).slices(100)] == [(10, 30, 0)]


def test_what_stands_before_an_offset() -> None:
    batch = plain(10, 30, 12, 13, 17)
    assert batch.before(30) is batch
    for offset, wanted in ((20, (10, 20, [12, 13, 17])), (13, (10, 13, [12])), (5, (10, 10, []))):
        part = batch.before(offset)
        assert (part.start, part.next, part.offsets) == wanted


def fetched(position: int, *batches: bytes) -> tuple[FetchResult, State]:
    state = State(position)
    records = PartitionRecords(
        AT, MemoryRecords(b"".join(batches)), [], position, None, None, False, READ_UNCOMMITTED
    )
    return FetchResult(AT, assignment=Assignment(state), partition_records=records, backoff=0), state


def all_cuts(result: FetchResult, state: State, **limits: Any) -> list[Fetched]:
    batches = []
    while result.has_more():
        batch = cut(result, state, TP, 7, **{"max_records": 100, "max_bytes": 1_000_000, **limits})
        if batch is not None:
            batches.append(batch)
    return batches


def test_a_batch_says_where_it_stands_and_what_came() -> None:
    result, state = fetched(40, record_batch(40, [b"a", b"b"]))
    (batch,) = all_cuts(result, state)
    assert (batch.topic, batch.partition, batch.epoch) == ("events", 3, 7)
    assert (batch.start, batch.next) == (40, 42)
    assert (batch.keys, batch.values, batch.offsets) == ([b"k0", b"k1"], [b"a", b"b"], [40, 41])
    assert batch.timestamps == [1_000, 1_001]
    assert state.position == 42


def test_batches_follow_each_other_without_a_hole_and_hold_so_many_records_at_most() -> None:
    result, state = fetched(0, record_batch(0, [b"v"] * 7))
    batches = all_cuts(result, state, max_records=3)
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [(batch.start, batch.next) for batch in batches] == [(0, 3), (3, 6), (6, 7)]


def test_a_batch_holds_so_many_bytes_at_most_and_a_larger_record_stands_alone() -> None:
    values = [b"x" * 40, b"x" * 40, b"x" * 500, b"x" * 40]
    result, state = fetched(0, record_batch(0, values))
    batches = all_cuts(result, state, max_bytes=100)
    assert [batch.offsets for batch in batches] == [[0, 1], [2], [3]]
    assert [value for batch in batches for value in batch.values] == values


def test_offsets_that_were_compacted_away_are_inside() -> None:
    result, state = fetched(10, record_batch(12, [b"a", b"b", b"c", b"d"], missing=frozenset({1, 3})))
    (batch,) = all_cuts(result, state)
    assert batch.offsets == [12, 14]
    assert (batch.start, batch.next) == (10, 16)


def test_offsets_without_any_record_make_a_batch_that_only_moves_on() -> None:
    result, state = fetched(5, record_batch(5, [b"a", b"b", b"c"], missing=frozenset({0, 1, 2})))
    (batch,) = all_cuts(result, state)
    assert (len(batch), batch.start, batch.next) == (0, 5, 8)


def test_data_from_before_a_seek_gives_nothing() -> None:
    result, state = fetched(0, record_batch(0, [b"a"]))
    state.consumed_to(90)
    assert cut(result, state, TP, 7, max_records=10, max_bytes=100) is None
    assert not result.has_more()
    assert state.position == 90
