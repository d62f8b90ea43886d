"""What is normal survives the worker that has learned it: written once a day by who leads, read by who knows less."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from stream_rec.clock import ManualClock
from stream_rec.consumers.periodic.baselines import EVERY_SECONDS, LEAST_VALUES, STALE_SECONDS, Baselines
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.feedback.watches import Watch
from stream_rec.schemas.columns import Span
from stream_rec.schemas.decisions import decode_control
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import IngestSettings
from tests.consumers.parts import STAMP_MS, TINY, Outbox, make_measures, make_table
from tests.engine.deciding import decide, decision
from tests.schemas.test_codec import fetched

NOW = STAMP_MS / 1000
METRICS = ("served_hit_rate", "fresh_hit_rate")


class Worker:
    """One worker's part, with the `control` that it has read."""

    def __init__(self, *, leads: bool = True, engine: Engine | None = None) -> None:
        self.engine = engine or Engine(TINY)
        self.measures: Measures = make_measures(self.engine)
        self.outbox = Outbox()
        self.clock = ManualClock(NOW)
        self._table = make_table(owned=[("events", 0)] if leads else [("events", 1)])
        self._part: Baselines | None = None

    def see(self, n: int, rate: float = 0.3, seed: int = 1) -> None:
        """So many values of both metrics, now."""
        hits = (np.random.default_rng(seed).random(n) < rate).astype(np.float64)
        at = int(1000 * self.clock.now())
        for metric in METRICS:
            watch = self.measures.watches.all().get(metric)
            if watch is None:
                self.measures.watches.add(metric, hits, at)
            else:
                list(watch.add(hits, at))

    def watch(self, metric: str = METRICS[0]) -> Watch:
        return self.measures.watches.all()[metric]

    def look(self) -> int:
        """What was published."""

        async def run() -> int:
            thread = EngineThread(self.engine)
            parts: Any = (thread, self.measures, self.outbox, self._table, self.clock)
            try:
                self._part = self._part or Baselines(*parts)
                self._part._engine = thread
                return await self._part.look()
            finally:
                thread.close()

        return asyncio.run(run())

    def hear(self, other: Worker) -> None:
        """Learn all that another one has published; its own only what is new."""
        first = self.engine.position.get(TopicPartition("control", 0), 0)
        sent = other.outbox.sent[first if other is self else 0 :]
        stamp = int(1000 * other.clock.now())
        batch = fetched(
            "control", [each.value for each in sent], [each.key for each in sent], first=first, stamp=stamp
        )
        found = decode_control(batch, Span("control", 0, 1, batch.start, batch.next), IngestSettings())
        assert not found.rejected
        self.engine.learn_control(found.batch)


@pytest.fixture(scope="module")
def first() -> Worker:
    """One that has learned for long, and has said so."""
    worker = Worker()
    worker.see(60_000)
    assert worker.look() == len(METRICS)
    worker.hear(worker)
    return worker


def test_a_worker_that_starts_goes_on_where_another_one_was(first: Worker) -> None:
    started = Worker(leads=False)
    started.hear(first)
    assert started.look() == 0
    assert started.watch().snapshot() == first.watch().snapshot()
    started.see(1)
    assert started.look() == 0
    assert started.watch("fresh_hit_rate").n_values == 60_000, "what it had begun to learn gives way"
    assert started.watch().n_values == 60_001


def test_a_restart_from_a_snapshot_knows_it_too_and_one_of_before_knows_nothing(first: Worker) -> None:
    restored, older = Engine(TINY), Engine(TINY)
    restored.restore(first.engine.snapshot(), first.engine.position)
    assert restored.digest() == first.engine.digest()
    again = Worker(engine=restored)
    again.look()
    assert again.watch().n_values == 60_000
    older.restore(Engine(TINY).snapshot(), {})
    begun = Worker(engine=older)
    begun.look()
    assert begun.watch().n_values == 0


def test_a_worker_that_gets_its_first_partitions_long_after_its_start_takes_over(first: Worker) -> None:
    """It owned something for a moment as the group began, and then nothing while the other learned for weeks."""
    idle = Worker(leads=False)
    idle.see(30, rate=1.0)
    idle.look()
    idle.hear(first)
    idle.look()
    assert idle.watch().snapshot() == first.watch().snapshot()


def test_who_knows_as_much_keeps_what_it_has_unless_that_is_old(first: Worker) -> None:
    other, old = Worker(leads=False), Worker(leads=False)
    other.see(31_000, rate=0.5)
    old.clock = ManualClock(NOW - 2 * EVERY_SECONDS)
    old.see(90_000, rate=0.5)
    for each in (other, old):
        each.hear(first)
        each.look()
    assert (other.watch().n_values, old.watch().n_values) == (31_000, 60_000)


def test_it_is_written_once_a_day_by_who_leads_and_only_if_there_is_news() -> None:
    leader, other = Worker(), Worker(leads=False)
    for each in (leader, other):
        each.see(LEAST_VALUES - 1)
        assert each.look() == 0
        each.see(1)
    assert (leader.look(), other.look()) == (2, 0)
    assert leader.look() == 0, "it is on its way"
    leader.hear(leader)
    leader.clock.advance(EVERY_SECONDS + 1)
    assert leader.look() == 0, "nothing has come since"
    leader.see(1)
    assert leader.look() == 2
    said = json.loads(leader.outbox.sent[-1].value or b"")
    assert (said["kind"], said["name"], said["by"]) == ("baseline", "fresh_hit_rate", "drift")
    assert said["body"]["values"] == LEAST_VALUES + 1


def test_what_another_release_has_kept_is_refused_with_the_reason_and_a_newer_ones_is_left(
    first: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    state = json.loads(first.outbox.sent[0].value or b"")["body"]["state"]
    for version, text, why in ((99, state, "of version 99"), (1, "?", "cannot be read")):
        worker = Worker()
        body = {"version": version, "values": 10_000, "state": text}
        decide(worker.engine, decision("baseline", METRICS[0], body, NOW))
        worker.see(LEAST_VALUES)
        worker.look()
        assert worker.watch().n_values == LEAST_VALUES
        assert why in "".join(capsys.readouterr())  # where lines of the log go, another test may have said
        worker.look()
        assert why not in capsys.readouterr().out, "it is said once"
        worker.clock.advance(EVERY_SECONDS + 1)
        worker.see(1)
        worker.outbox.sent.clear()
        worker.look()
        assert (b"baseline/served_hit_rate" in [each.key for each in worker.outbox.sent]) == (version == 1)


def test_a_change_that_was_told_after_the_record_is_not_told_again(first: Worker) -> None:
    started = Worker(leads=False)
    started.hear(first)
    alarm = {
        "metric": METRICS[0],
        "direction": "drop",
        "since": 1.0,
        "level": 0.1,
        "normal": 0.3,
        "until": 9e9,
    }
    decide(started.engine, decision("alarm", METRICS[0], alarm, NOW + 60))
    started.look()
    started.see(20_000, rate=0.1)
    assert [each.metric for each in started.measures.take_changes()] == []


def test_records_of_metrics_that_are_no_more_are_taken_back(first: Worker) -> None:
    later = Worker()
    later.hear(first)
    later.clock.advance(STALE_SECONDS - 1)
    assert later.look() == 0
    later.clock.advance(2)
    assert later.look() == 1
    assert [(each.key, each.value) for each in later.outbox.sent] == [(b"baseline/fresh_hit_rate", None)]
    assert later.look() == 0, "it is on its way"
