"""Snapshots in a bucket: whole for whoever lists, and no trouble of the store's is the worker's."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from stream_rec.errors import ConfigError, StreamRecError, Unavailable
from stream_rec.history.snapshots.store import SnapshotInfo, SnapshotStore
from stream_rec.history.snapshots.writer import SnapshotWriter, Writing, within
from stream_rec.settings import SnapshotSettings
from tests.cli.running import clean_environment
from tests.engine.worlds import learn
from tests.history.snapshots.conftest import ObjectStore
from tests.history.snapshots.places import Place
from tests.history.snapshots.test_store import World, facts


class Uploading:
    """A snapshot that is being finished in a thread of its own."""

    def __init__(self, world: World) -> None:
        learn(world.engine, world.log[:20])
        del world.log[:20]
        world.clock.advance(1)
        self.writing: Writing = SnapshotWriter(world.store, facts(), world.clock).begin(world.engine)
        self.info: SnapshotInfo | None = None
        self.error: StreamRecError | None = None
        self._thread = threading.Thread(target=self._finish, daemon=True)
        self._thread.start()

    def _finish(self) -> None:
        try:
            self.info = self.writing.finish()
        except StreamRecError as error:
            self.error = error

    def ended(self) -> bool:
        self._thread.join(30)
        return not self._thread.is_alive()


def names(place: Place) -> list[str]:
    """As another process lists them, which has never looked before."""
    settings = SnapshotSettings(url=place.url, options={**place.options, "skip_instance_cache": "yes"})
    return [info.name for info in SnapshotStore(settings).list()]


def test_what_was_written_is_seen_at_once_by_others(bucket: Place) -> None:
    world = World(bucket)
    assert names(bucket) == []
    for _ in range(3):
        assert world.write().name == names(bucket)[0]
    world.store.delete(names(bucket)[0])
    assert len(names(bucket)) == 2


def test_during_a_slow_upload_nothing_of_it_is_listed(bucket: Place, object_store: ObjectStore) -> None:
    world = World(bucket)
    older = world.write()
    object_store.gate.clear()
    slow = Uploading(world)
    assert object_store.waiting.wait(30)
    assert names(bucket) == [older.name]
    assert world.start()[0] == older.name
    object_store.gate.set()
    assert slow.ended() and slow.info is not None
    assert names(bucket) == [slow.info.name, older.name]


def test_given_up_during_the_upload_it_never_appears(bucket: Place, object_store: ObjectStore) -> None:
    world = World(bucket)
    object_store.gate.clear()
    slow = Uploading(world)
    assert object_store.waiting.wait(30)
    slow.writing.give_up()
    object_store.gate.set()
    assert slow.ended() and slow.error is not None
    assert "given up" in str(slow.error)
    assert names(bucket) == []


def test_an_upload_that_takes_too_long_is_given_up_and_the_next_one_is_written(
    bucket: Place, object_store: ObjectStore
) -> None:
    world = World(bucket, upload_timeout_seconds=0.5)
    object_store.gate.clear()
    hung = Uploading(world)
    assert hung.ended() and isinstance(hung.error, Unavailable)
    assert "not uploaded within 0.5 s" in str(hung.error)
    assert names(bucket) == []
    object_store.gate.set()
    later = World(bucket).write()
    assert names(bucket) == [later.name]


def test_a_refused_delete_does_not_lose_what_was_written(
    bucket: Place, object_store: ObjectStore, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(bucket, keep=1)
    first = world.write()
    object_store.refused = {"DELETE", "POST"}
    second = world.write()
    assert names(bucket) == [second.name, first.name]
    assert "old snapshots were not deleted" in "".join(capfd.readouterr())
    assert world.start()[0] == second.name
    object_store.open()
    third = world.write()
    assert names(bucket) == [third.name]
    assert len(world.store.folder.files()) == 2, "what was left is deleted as soon as it may be"


def test_a_refused_upload_is_said_and_the_older_ones_stay(bucket: Place, object_store: ObjectStore) -> None:
    world = World(bucket)
    older = world.write()
    object_store.refused = {"PUT"}
    with pytest.raises(Unavailable, match="Access Denied"):
        world.write()
    object_store.open()
    assert names(bucket) == [older.name]
    assert world.start()[0] == older.name


def test_one_object_that_may_not_be_read_is_passed_over(bucket: Place, object_store: ObjectStore) -> None:
    world = World(bucket)
    older, newest = world.write(), world.write()
    for only in (f"{newest.name}.json", world.data(newest)):
        object_store.refused, object_store.only = {"GET"}, only
        assert world.start()[:2] == (older.name, ["unreadable"])


def test_a_store_that_refuses_to_list_is_not_taken_for_an_empty_one(
    bucket: Place, object_store: ObjectStore
) -> None:
    world = World(bucket)
    world.write()
    object_store.refused = {"GET", "HEAD"}
    with pytest.raises(Unavailable, match="Access Denied"):
        world.start()


def test_a_bucket_that_is_not_there_is_a_setting_to_correct(bucket: Place) -> None:
    """It would look like a folder without snapshots, and days of log would be learned again."""
    world = World(Place("s3://no-such-bucket-of-ours/shop", bucket.options))
    with pytest.raises(ConfigError, match="bucket 'no-such-bucket-of-ours' does not exist") as refused:
        world.start()
    assert "snapshot.url" in refused.value.fix


def test_without_the_package_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['s3fs'] = None; sys.argv = ['stream-rec', 'snapshot', 'list'];"
        "from stream_rec.cli.main import main; main()"
    )
    environment = clean_environment(STREAM_REC__SNAPSHOT__URL="s3://bucket/shop")
    refused = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert "snapshot.url cannot be opened" in refused.stderr
    assert "fix: pip install 'stream-rec[s3]'" in refused.stderr


def test_what_takes_too_long_is_not_waited_for() -> None:
    hung = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="not uploaded within"):
        within(0.05, lambda: hung.wait(60) and None)
    assert time.monotonic() - began < 30
    hung.set()
    with pytest.raises(KeyError):
        within(5, lambda: {}["x"])
