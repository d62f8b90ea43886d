"""The journal of a worker: what it is told, and that it may be absent."""

from __future__ import annotations

from pathlib import Path

from stream_rec.clock import ManualClock
from stream_rec.consumers.replication.learn_order import LearnOrder
from stream_rec.engine.engine import Engine
from stream_rec.history.journal.file import Run
from stream_rec.history.journal.reader import lineages
from stream_rec.schemas.columns import Span
from stream_rec.settings import JournalSettings
from tests.consumers.parts import TINY

IDS = {"events": "events-log", "items": "items-log", "impressions": "impressions-log"}


def learn_order(folder: Path) -> LearnOrder:
    return LearnOrder(JournalSettings(folder=str(folder)), Engine(TINY), {}, IDS, ManualClock(1000.0))


def test_spans_are_written_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    order = learn_order(tmp_path)
    order.learned(Span("events", 0, 1, 0, 10), 0, 10)
    order.learned(Span("events", 1, 1, 0, 5), 2, 3)
    order.flush()
    (lineage,) = lineages(tmp_path, "", {}, IDS)
    runs = [entry for entry in lineage.entries() if isinstance(entry, Run)]
    assert [(run.topic, run.partition, run.first, run.next) for run in runs] == [
        ("events", 0, 0, 10),
        ("events", 1, 2, 5),
    ]


def test_a_snapshot_remembers_the_state_that_the_journal_names(tmp_path: Path) -> None:
    order = learn_order(tmp_path)
    order.learned(Span("events", 0, 1, 0, 10), 0, 10)
    assert set(order.notes()) == {"journal"}


def test_without_a_journal_there_is_nothing_to_note() -> None:
    order = LearnOrder(JournalSettings(), Engine(TINY), {}, IDS, ManualClock(1000.0))
    order.learned(Span("events", 0, 1, 0, 10), 0, 10)
    order.keep(["a state"])
    order.flush()
    assert order.notes() == {}
