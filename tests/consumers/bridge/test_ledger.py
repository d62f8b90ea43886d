"""Offsets are committed in order, and only behind what is acknowledged."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError

from stream_rec.consumers.bridge.ledger import Batch, Ledger

MESSAGE: Any = b"12345"
"""Stands for confluent-kafka's message, which has a length and nothing else that is asked for."""


def batch(ledger: Ledger, records: int, **nexts: int) -> Batch:
    made = ledger.open()
    made.nexts |= {("t", int(name[1:])): offset for name, offset in nexts.items()}
    made.n_messages = made.n_records = made.n_waiting = records
    ledger.close(made)
    return made


def acknowledge(made: Batch, n: int, error: Any = None) -> None:
    for _ in range(n):
        made.reported(error, MESSAGE)


def test_nothing_is_committed_before_all_of_a_batch_is_acknowledged() -> None:
    ledger = Ledger()
    made = batch(ledger, 2, p0=10)
    acknowledge(made, 1)
    assert ledger.to_commit() == {}
    acknowledge(made, 1)
    assert ledger.to_commit() == {("t", 0): 10}


def test_a_batch_waits_for_those_before_it() -> None:
    ledger = Ledger()
    first, second = batch(ledger, 1, p0=10), batch(ledger, 1, p0=20, p1=5)
    acknowledge(second, 1)
    assert ledger.to_commit() == {}
    acknowledge(first, 1)
    assert ledger.to_commit() == {("t", 0): 20, ("t", 1): 5}


def test_a_batch_of_which_nothing_is_published_is_committed_in_its_turn() -> None:
    ledger = Ledger()
    first, _ = batch(ledger, 1, p0=10), batch(ledger, 0, p0=20)
    assert ledger.to_commit() == {}
    acknowledge(first, 1)
    assert ledger.to_commit() == {("t", 0): 20}


def test_a_batch_that_is_still_open_is_not_committed() -> None:
    ledger = Ledger()
    made = ledger.open()
    made.nexts["t", 0] = 10
    assert ledger.to_commit() == {}
    ledger.close(made)
    assert ledger.to_commit() == {("t", 0): 10}


def test_its_size_counts_what_is_acknowledged_until_it_is_committed() -> None:
    ledger = Ledger()
    first, _ = batch(ledger, 3, p0=10), batch(ledger, 4, p0=20)
    ledger.open().n_records = 5
    assert ledger.size == 12
    acknowledge(first, 3)
    assert (ledger.size, ledger.size_unsaid) == (12, 3)
    ledger.to_commit()
    ledger.committed()
    assert (ledger.size, ledger.size_unsaid) == (9, 0)


def test_what_is_acknowledged_while_a_commit_is_on_its_way_is_committed_by_the_next() -> None:
    ledger = Ledger()
    first, second = batch(ledger, 3, p0=10, p1=1), batch(ledger, 4, p0=20)
    acknowledge(first, 3)
    assert ledger.to_commit() == {("t", 0): 10, ("t", 1): 1}
    acknowledge(second, 4)
    assert ledger.size_unsaid == 4
    ledger.committed()
    assert (ledger.size, ledger.size_unsaid) == (4, 4)
    assert ledger.to_commit() == {("t", 0): 20}


def test_what_a_commit_that_failed_said_is_said_again_with_what_came_since() -> None:
    ledger = Ledger()
    first, second = batch(ledger, 3, p0=10, p1=1), batch(ledger, 4, p0=20)
    acknowledge(first, 3)
    ledger.to_commit()
    acknowledge(second, 4)
    assert ledger.to_commit() == {("t", 0): 20, ("t", 1): 1}
    assert (ledger.size, ledger.size_unsaid) == (7, 0)
    ledger.committed()
    assert (ledger.size, ledger.to_commit()) == (0, {})


def test_nothing_is_committed_behind_a_record_that_kafka_refused() -> None:
    ledger = Ledger()
    first, second = batch(ledger, 1, p0=10), batch(ledger, 1, p0=20)
    acknowledge(first, 1, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    acknowledge(second, 1)
    assert ledger.to_commit() == {}
    assert [(one.error.code(), one.n_bytes) for one in ledger.refusals] == [
        (KafkaError.MSG_SIZE_TOO_LARGE, 5)
    ]


def test_reports_that_come_after_it_was_cleared_change_nothing() -> None:
    ledger = Ledger()
    made = batch(ledger, 1, p0=10)
    ledger.clear()
    acknowledge(made, 1, KafkaError(KafkaError._PURGE_QUEUE))
    assert (ledger.size, ledger.to_commit(), ledger.refusals) == (0, {}, [])
