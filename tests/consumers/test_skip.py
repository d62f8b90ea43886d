"""`--skip`: nothing of bad records is learned or served, in this worker, the next one, and any replay."""

from __future__ import annotations

from pathlib import Path

from stream_rec.cli.time_travel import verdict
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.history.time_travel.merge import UntilTime
from stream_rec.history.time_travel.rebuild import rebuild
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Interaction
from stream_rec.settings import JournalSettings, Settings, SnapshotSettings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import learned, running, wait_until_done
from tests.waiting import wait_until

LATEST_MS = 4_102_444_800_000
BAD = 5


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
        "snapshot": SnapshotSettings(url=str(tmp_path / "snapshots")),
        "journal": JournalSettings(folder=str(tmp_path / "journal")),
    }
    plain = tansu_settings.model_copy(update=places)
    with running(plain, tmp_path, "tainted") as tainted:
        n, bad = published(plain)
        wait_until_done(plain, n, tainted)
        assert tainted.stop()[0] == 0  # leaves a snapshot that has learned the bad records
    skipping = plain.model_copy(update={"ingest": plain.ingest.model_copy(update={"skip": tuple(bad)})})
    with running(skipping, tmp_path, "first") as first:
        assert "it has learned of records that are skipped" in first.log()
        wait_until(lambda: float(n - BAD) in learned(plain), 60, "the rest to be learned")
        assert first.stop()[0] == 0
    newest = SnapshotStore(plain.snapshot).list()[0]
    assert newest.notes["skipped"] == bad
    with running(plain, tmp_path, "second") as second:  # knows it from the snapshot
        assert bad[0] in second.log()
        assert second.stop()[0] == 0
    found = rebuild(plain, UntilTime(LATEST_MS), LATEST_MS)
    assert found.skipped == tuple(bad)
    assert found.engine.n_learned == n - BAD
    assert verdict(found)
