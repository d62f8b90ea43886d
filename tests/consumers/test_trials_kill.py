"""Experiments and kill -9: what an arm's users did is, by arm and user, what an offline join of the log says."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.bench.chaos.shoppers import COUNTED, Join, Record, decide
from stream_rec.bench.chaos.witnessed import outcomes
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.engine.engine import Engine
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.settings import EngineSettings, MeasureSettings, Settings, SnapshotSettings
from tests.consumers.running import running, wait_until_done
from tests.reading import records
from tests.shopping import shopped
from tests.waiting import wait_until

N, SNAPSHOT_EVERY = 300, 60


@pytest.fixture
def settings(tansu_settings: Settings, tmp_path: Path) -> Settings:
    return tansu_settings.model_copy(
        update={
            "engine": EngineSettings(max_users=256, max_items=512, index_refresh_events=512, train_first=0),
            "measure": MeasureSettings(
                max_open_impressions=1024, max_open_places=8192, max_recent_interactions=2048
            ),
            "snapshot": SnapshotSettings(
                url=str(tmp_path / "snapshots"), every_events=SNAPSHOT_EVERY, min_seconds=0
            ),
        }
    )


def publish(settings: Settings, part: list[Record]) -> int:
    """How many events are among them."""
    with Publisher(settings.bus, settings.ingest) as publisher:
        for record in part:
            publisher.send(record)
    return sum(isinstance(record, Interaction) for record in part)


def _always_saving(settings: Settings) -> Settings:
    always = settings.snapshot.model_copy(update={"every_events": 1})
    return settings.model_copy(update={"snapshot": always})


def _n_events(store: SnapshotStore) -> int:
    """How many the newest snapshot knows."""
    return sum(offset for (topic, _), offset in store.list()[0].positions.items() if topic == "events")


def test_what_arms_earned_is_counted_once_under_kill_9_repeats_and_late_events(
    settings: Settings, tmp_path: Path
) -> None:
    log, store, now = (
        shopped(N, SystemClock().now() - N),
        SnapshotStore(settings.snapshot),
        SystemClock().now(),
    )
    early, served, late = log[: N // 3], log[N // 3 : 2 * N // 3], log[2 * N // 3 :]
    ensure_topics(settings.bus)
    with Publisher(settings.bus, settings.ingest) as publisher:
        decide(publisher, now)
    n = publish(settings, early)
    with running(settings, tmp_path, "first") as first:
        wait_until_done(settings, n, first)
        wait_until(lambda: bool(store.list()), 60, "a snapshot")
        n += publish(settings, served)
        first.kill()
    n += publish(settings, late)

    with running(_always_saving(settings), tmp_path, "second") as second:
        assert "started from a snapshot" in second.log()
        wait_until_done(settings, n, second)
        wait_until(lambda: _n_events(store) == n, 60, "a snapshot of all")
        assert second.stop()[0] == 0
    last = store.list()[0]
    engine = Engine(settings.engine, settings.measure)
    store.load(last.name, engine)
    join = Join()
    for shown in records(settings.bus, "impressions", Impression):
        join.add(shown)
    for done in records(settings.bus, "events", Interaction):
        join.add(done)
    wanted = join.counts()
    assert {key.rpartition("/")[2] for key in wanted} == set(COUNTED)
    assert outcomes(engine) == wanted
