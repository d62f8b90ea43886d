"""Workers and snapshots: killed or stopped, the next one goes on from the newest, and learns every event once."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.bus.batch import Columns
from stream_rec.bus.lag import ends
from stream_rec.bus.topics import ensure_topics
from stream_rec.engine.engine import Engine
from stream_rec.history.snapshots.facts import ask_facts
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.schemas.codec import decode_interactions
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import EngineSettings, MeasureSettings, Settings, SnapshotSettings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import running, wait_until_done
from tests.reading import messages

STOP_SECONDS = 5.0
"""A promise to operators, so here time is part of the claim."""
EVERY = 1_000


@pytest.fixture
def settings(tansu_settings: Settings, tmp_path: Path) -> Settings:
    """One partition, so that there is one order to learn in; small bounds; no drift, which is no part of the log."""
    return tansu_settings.model_copy(
        update={
            "bus": tansu_settings.bus.model_copy(update={"partitions": 1}),
            "engine": EngineSettings(max_users=1_000, max_items=500, index_refresh_events=512, train_first=0),
            "measure": MeasureSettings(
                max_open_impressions=16, max_open_places=256, max_recent_interactions=512, drift_delta=1e-12
            ),
            "snapshot": SnapshotSettings(url=str(tmp_path / "snapshots"), every_events=EVERY, min_seconds=0),
        }
    )


def test_killed_and_started_again_from_a_snapshot_it_has_learned_every_event_once(
    settings: Settings, tmp_path: Path
) -> None:
    """Its last snapshot, written at the stop, is bit for bit an engine that was never stopped."""
    store = SnapshotStore(settings.snapshot)
    n = 0
    with running(settings, tmp_path, "first") as first:
        while not store.list():
            n += publish_events(settings.bus, clicks(500, seed=n, first=n)).n
            wait_until_done(settings, n, first)
        n += publish_events(settings.bus, clicks(2_500, seed=n, first=n)).n
        first.kill()
    kept = store.list()[0]
    assert EVERY <= kept.n_events <= n
    n += publish_events(settings.bus, clicks(500, seed=n, first=n)).n

    with running(settings, tmp_path, "second") as second:
        assert "started from a snapshot" in second.log()
        wait_until_done(settings, n, second)
        code, seconds = second.stop()
        assert (code, seconds < STOP_SECONDS) == (0, True), seconds
    last = store.list()[0]
    assert last.positions == {("events", 0): n}
    assert last.n_events == n
    assert [as_of["offset"] for as_of in last.notes["latest"]] == [n - 1]
    stopped = Engine(settings.engine, settings.measure)
    store.load(last.name, stopped)
    assert stopped.digest() == uninterrupted(settings, n).digest()


def uninterrupted(settings: Settings, n: int) -> Engine:
    """An engine that has learned the log in one go."""
    read = messages(settings.bus, "events")
    assert len(read) == n
    columns = Columns()
    for message in read:
        columns.add(message.key(), message.value(), message.offset(), message.timestamp()[1])
    log = columns.fetched(TopicPartition("events", 0), 0, 0, n)
    batch = decode_interactions(log, log.span(), settings.ingest).batch
    engine = Engine(settings.engine, settings.measure)
    engine.learn(batch)
    return engine


def test_the_broker_says_what_snapshots_are_compared_with(settings: Settings) -> None:
    ensure_topics(settings.bus)
    publish_events(settings.bus, clicks(30))
    facts = ask_facts(settings.bus)
    assert set(facts.logs) == set(FOLLOWED)
    assert facts.logs["events"].begins == {0: 0}
    assert facts.logs["events"].ends == ends(settings.bus, "events") == {0: 30}
    assert facts.cluster_id
    assert len({log.log_id for log in facts.logs.values()}) == len(FOLLOWED)
