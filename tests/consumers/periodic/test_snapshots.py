"""The leading worker writes a snapshot when one is due, and what is kept beside the engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import ManualClock
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.periodic.snapshots import SnapshotNotes, Snapshots, restored_at_start
from stream_rec.consumers.replication.learn_order import LearnOrder
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.history.snapshots.facts import ask_facts
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import JournalSettings, Settings, SnapshotSettings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.serving import SMALL

EVERY = 100


@pytest.fixture
def settings(tansu_settings: Settings, tmp_path: Path) -> Settings:
    """One partition with events in the log, and a snapshot due after each `EVERY` of them and 10 seconds."""
    settings = tansu_settings.model_copy(
        update={
            "bus": tansu_settings.bus.model_copy(update={"partitions": 1}),
            "engine": SMALL,
            "snapshot": SnapshotSettings(url=str(tmp_path / "snapshots"), every_events=EVERY, min_seconds=10),
        }
    )
    ensure_topics(settings.bus)
    publish_events(settings.bus, clicks(2 * EVERY))
    return settings


class Scene:
    """An engine, what is kept beside it, and who owns partition 0."""

    def __init__(self, settings: Settings, *, leads: bool = True) -> None:
        self.core = Engine(settings.engine, settings.measure)
        self.engine = EngineThread(self.core)
        self.clock = ManualClock()
        self.as_of = AsOfTable("log", {})
        table = PartitionTable({"events": 1}, {"events": "log"})
        table.assign([TopicPartition("events", 0)] if leads else [])
        order = LearnOrder(JournalSettings(), self.core, {}, {"events": "log"}, self.clock)
        notes = SnapshotNotes(self.as_of, order, ())
        self.snapshots = Snapshots(settings, self.engine, notes, table, self.clock)

    async def learn(self, n: int) -> None:
        """Learn n events of the log."""
        await self.engine.ask(lambda engine: self._learn(engine, n))

    def _learn(self, engine: Engine, n: int) -> None:
        first = engine.position.get(("events", 0), 0)
        events = [(f"u{i % 9}", f"i{i % 7}", 1.6e9 + i) for i in range(first, first + n)]
        batch = EventBatch.of(events, span=Span("events", 0, 0, first, first + n))
        engine.learn(batch)
        self.as_of.learned(batch)

    async def look(self) -> None:
        """Look, and wait until what it began is written."""
        await self.snapshots.look()
        await asyncio.wait_for(self.snapshots._finished.wait(), 30)


def written(settings: Settings) -> list[int]:
    """Events in each snapshot, newest first."""
    return [info.n_events for info in SnapshotStore(settings.snapshot).list()]


def test_one_is_written_after_enough_events_and_enough_time(settings: Settings) -> None:
    async def scenario() -> None:
        scene = Scene(settings)
        scene.clock.advance(10)
        await scene.learn(EVERY - 1)
        await scene.look()
        assert written(settings) == []
        await scene.learn(1)
        await scene.look()
        assert written(settings) == [EVERY]
        await scene.learn(EVERY)
        await scene.look()
        assert written(settings) == [EVERY]
        scene.clock.advance(10)
        await scene.look()
        assert written(settings) == [2 * EVERY, EVERY]
        scene.engine.close()

    asyncio.run(scenario())


def test_a_worker_that_does_not_lead_writes_none(settings: Settings) -> None:
    async def scenario() -> None:
        scene = Scene(settings, leads=False)
        scene.clock.advance(10)
        await scene.learn(EVERY)
        await scene.look()
        scene.engine.close()

    asyncio.run(scenario())
    assert written(settings) == []


def test_the_last_one_holds_whatever_is_new_and_the_next_worker_starts_from_it(settings: Settings) -> None:
    async def scenario() -> None:
        scene = Scene(settings)
        await scene.learn(3)
        await scene.snapshots.last()
        await scene.snapshots.last()
        scene.engine.close()
        assert written(settings) == [3]
        engine, notes = await restored_at_start(settings)
        assert engine.digest() == scene.core.digest()
        as_of = AsOfTable("log", notes).newest()
        assert as_of is not None
        assert as_of.offset == 2

    asyncio.run(scenario())


def test_without_a_folder_a_worker_starts_empty_and_writes_nothing(settings: Settings) -> None:
    without = settings.model_copy(update={"snapshot": SnapshotSettings()})

    async def scenario() -> None:
        engine, notes = await restored_at_start(without)
        assert (engine.n_learned, dict(notes)) == (0, {})
        scene = Scene(without)
        scene.clock.advance(10_000)
        await scene.learn(EVERY)
        await scene.look()
        await scene.snapshots.last()
        scene.engine.close()

    asyncio.run(scenario())


def test_a_folder_that_cannot_be_used_is_said_once_a_minute_and_stops_nothing(
    settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    url = str(tmp_path / "file" / "snapshots")
    broken = settings.model_copy(update={"snapshot": SnapshotSettings(url=url, every_events=1)})

    async def scenario() -> None:
        scene = Scene(broken)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await scene.look()
            scene.clock.advance(25)
        (tmp_path / "file").unlink()
        scene.clock.advance(60)
        await scene.learn(EVERY)
        await scene.look()
        scene.engine.close()

    asyncio.run(scenario())
    assert "".join(capfd.readouterr()).count("no snapshot can be written") == 1
    assert written(broken) == [EVERY]


def test_a_start_that_would_lose_what_the_log_no_longer_has_ends_with_the_fix(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        scene = Scene(settings)
        await scene.learn(EVERY)
        await scene.snapshots.last()
        scene.engine.close()
        facts = ask_facts(settings.bus)
        events = replace(facts.logs["events"], begins={0: 50})
        expired = replace(facts, logs={**facts.logs, "events": events})
        monkeypatch.setattr("stream_rec.consumers.periodic.snapshots.ask_facts", lambda _: expired)
        changed = settings.engine.model_copy(update={"n_factors": 2 * settings.engine.n_factors})
        with pytest.raises(ConfigError, match="would lose 50 records"):
            await restored_at_start(settings.model_copy(update={"engine": changed}))
        grown = settings.engine.model_copy(update={"max_users": 2 * settings.engine.max_users})
        engine, _ = await restored_at_start(settings.model_copy(update={"engine": grown}))
        assert engine.n_learned == EVERY

    asyncio.run(scenario())
