"""`--skip`: nothing of bad records is learned or served, in this worker, the next one, and any replay."""

from __future__ import annotations

from pathlib import Path

from stream_rec.history.snapshots.store import SnapshotInfo, SnapshotStore
from stream_rec.history.time_travel.merge import UntilTime
from stream_rec.history.time_travel.rebuild import rebuild
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Interaction
from stream_rec.settings import JournalSettings, Settings, SnapshotSettings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import running, wait_until_done
from tests.waiting import wait_until

LATEST_MS = 4_102_444_800_000
BAD = 5


def newest(settings: Settings) -> SnapshotInfo:
    """The snapshot that a worker would start from; an empty one if there is none."""
    return next(iter(SnapshotStore(settings.snapshot).list()), SnapshotInfo("none", 0.0))


def published(settings: Settings) -> tuple[int, list[str]]:
    """Good clicks, then bad ones of one user: how many in all, and the bad ones' ranges."""
    good = publish_events(settings.bus, clicks(300))
    with Publisher(settings.bus) as publisher:
        acks = [publisher.publish(Interaction("bot", f"bad-{n}", "click", 1.7e9)) for n in range(BAD)]
    return good.n + BAD, [f"events/{acks[0].partition}:{acks[0].offset}-{acks[-1].offset}"]


def test_bad_records_are_left_out_by_every_worker_and_every_replay(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    places = {
        "snapshot": SnapshotSettings(url=str(tmp_path / "snapshots"), every_events=1, min_seconds=0),
        "journal": JournalSettings(folder=str(tmp_path / "journal")),
    }
    plain = tansu_settings.model_copy(update=places)
    with running(plain, tmp_path, "tainted") as tainted:
        n, bad = published(plain)
        wait_until_done(plain, n, tainted)
        wait_until(lambda: newest(plain).n_events == n, 60, "a snapshot that has learned the bad records")
        tainted.kill()
    skipping = plain.model_copy(update={"ingest": plain.ingest.model_copy(update={"skip": tuple(bad)})})
    with running(skipping, tmp_path, "first") as first:
        assert "it has learned of records that are skipped" in first.log()
        n += publish_events(plain.bus, clicks(20, seed=2)).n
        wait_until(lambda: newest(plain).n_events == n - BAD, 60, "a snapshot of all but the bad records")
        assert newest(plain).notes["skipped"] == bad
        first.kill()
    with running(plain, tmp_path, "second") as second:  # knows it from the snapshot
        assert bad[0] in second.log()
    found = rebuild(plain, UntilTime(LATEST_MS), LATEST_MS)
    assert found.skipped == tuple(bad)
    assert found.engine.n_learned == n - BAD
