"""The sink: every record once, whatever ends when, on every file system."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import ManualClock, SystemClock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.codec import encode
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import Settings
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.names import DataFile, folder_of
from stream_rec.sink.pending import Pending
from stream_rec.sink.reading import files_of, stretches
from tests.forked.process import start
from tests.history.snapshots.places import Place
from tests.sink.logs import (
    NOW,
    assert_every_offset_once,
    clicks,
    ends,
    publish,
    sinking,
    table_of,
    until,
    with_sink,
)
from tests.waiting import wait_until


@pytest.fixture
def placed(tansu_settings: Settings, place: Place) -> Settings:
    settings = with_sink(tansu_settings, place.url, options=place.options)
    ensure_topics(settings.bus)
    return settings


@pytest.fixture
def local(tansu_settings: Settings, tmp_path: Path) -> Settings:
    settings = with_sink(tansu_settings, str(tmp_path / "sink"))
    ensure_topics(settings.bus)
    return settings


def written(settings: Settings) -> int:
    return len(table_of(settings))


def test_each_event_is_a_row_with_its_place_in_the_log(placed: Settings) -> None:
    events = clicks(50)
    publish(placed, events)
    with sinking(placed) as sink:
        until(sink, lambda: sink.totals.records == len(events))
    rows = assert_every_offset_once(placed)
    assert rows.select("user_id", "item_id", "event_type", "event_id").sort("event_id").rows() == sorted(
        ((e.user_id, e.item_id, e.event_type, e.event_id) for e in events), key=lambda row: row[3]
    )
    assert rows["ts"].dt.epoch("s").min() == int(NOW)
    assert set(rows["topic"]) == {"events"}
    assert rows["timestamp"].null_count() == 0


def test_a_sink_that_starts_again_goes_on_where_the_files_end(local: Settings) -> None:
    publish(local, clicks(30))
    with sinking(local) as sink:
        until(sink, lambda: sink.totals.records == 30)
    publish(local, clicks(20, first=30))
    with sinking(local) as sink:
        until(sink, lambda: sink.totals.records == 20)
    assert_every_offset_once(local)


def test_what_was_committed_and_not_published_is_published_by_the_next_owner(
    placed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(placed, clicks(40))
    with monkeypatch.context() as dies, sinking(placed) as sink:
        dies.setattr(SinkFolder, "publish", _dies)
        with pytest.raises(KeyboardInterrupt):
            until(sink, lambda: False)
    assert SinkFolder(placed.sink).staged()
    with sinking(placed) as sink:
        until(sink, lambda: written(placed) == 40)
    assert_every_offset_once(placed)
    assert SinkFolder(placed.sink).staged() == []


def test_what_was_staged_and_not_committed_is_thrown_away(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(local, clicks(40))
    with monkeypatch.context() as dies, sinking(local) as sink:
        dies.setattr("stream_rec.bus.membership.Membership.commit", _dies)
        with pytest.raises(KeyboardInterrupt):
            until(sink, lambda: False)
    publish(local, clicks(5, first=40))
    with sinking(local) as sink:
        until(sink, lambda: sink.totals.records == 45)
    assert_every_offset_once(local)
    assert SinkFolder(local.sink).staged() == []


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_folder_that_refuses_for_a_while_is_asked_again(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(local, clicks(10))
    refusals = iter([Unavailable("sink", "full"), Unavailable("sink", "full")])
    stage = SinkFolder.stage

    def staged(folder: SinkFolder, file: DataFile, frame: pl.DataFrame) -> int:
        if refusal := next(refusals, None):
            raise refusal
        return stage(folder, file, frame)

    monkeypatch.setattr(SinkFolder, "stage", staged)
    with sinking(local) as sink:
        until(sink, lambda: sink.totals.records == 10)
    assert_every_offset_once(local)


def test_a_file_holds_no_more_records_and_memory_no_more_bytes_than_the_settings_say(local: Settings) -> None:
    publish(local, clicks(500))
    sink_settings = local.sink.model_copy(
        update={"max_file_records": 100, "max_pending_bytes": 65_536, "every_seconds": 3600.0}
    )
    settings = local.model_copy(update={"sink": sink_settings})
    with sinking(settings) as sink:
        until(sink, lambda: sink.totals.records == 500)
    folder = SinkFolder(settings.sink)
    assert max(len(folder.read(file)) for file in files_of(folder, "events")) <= 100
    assert_every_offset_once(settings)


def test_two_sinks_share_the_partitions_and_one_takes_over_from_the_other(local: Settings) -> None:
    publish(local, clicks(50))
    with sinking(local) as first:
        until(first, lambda: written(local) > 0)
        with sinking(local) as second:

            def both() -> bool:
                second.step()
                return bool(second._pending) and bool(first._pending)

            until(first, both)
            publish(local, clicks(100, first=50))
            until(first, lambda: second.step() or written(local) == 150)
        publish(local, clicks(50, first=150))
        until(first, lambda: written(local) == 200)
    assert_every_offset_once(local)


def test_what_is_pending_when_the_group_moves_partitions_is_read_again(local: Settings) -> None:
    patient = local.model_copy(update={"sink": local.sink.model_copy(update={"every_seconds": 3600.0})})
    publish(local, clicks(50))
    with sinking(patient) as first:
        until(first, lambda: first.n_pending == 50)
        with sinking(patient) as second:

            def shared() -> bool:
                second.step()
                return bool(second.n_pending and first.n_pending) and first.n_pending + second.n_pending == 50

            until(first, shared)
            second.flush()
        until(first, lambda: first.n_pending == 50 - second.totals.records)
        first.flush()
    assert first.totals.records and second.totals.records
    assert_every_offset_once(local)


@pytest.mark.kafka
def test_a_member_that_lost_its_partitions_and_does_not_know_it_publishes_nothing(
    kafka: str, prefix: str, tmp_path: Path, tansu_settings: Settings
) -> None:
    bus = tansu_settings.bus.model_copy(update={"bootstrap": kafka, "prefix": prefix})
    settings = with_sink(tansu_settings.model_copy(update={"bus": bus}), str(tmp_path / "sink"))
    settings = settings.model_copy(
        update={
            "sink": settings.sink.model_copy(update={"every_seconds": 3600.0}),
            "bus": settings.bus.model_copy(update={"session_timeout_seconds": 6.0}),  # its own minimum
        }
    )
    ensure_topics(settings.bus)
    publish(settings, clicks(50))
    with sinking(settings) as stalled:
        until(stalled, lambda: stalled.n_pending == 50)
        stalled._member._consumer.unsubscribe()  # it leaves the group, and is not told
        with sinking(settings) as owner:
            until(owner, lambda: owner.n_pending == 50)
            owner.flush()
        stalled.flush()
        assert stalled.totals.records == 0
    assert_every_offset_once(settings)


def test_messages_that_are_no_records_have_no_row_and_hold_nothing_up(local: Settings) -> None:
    with Publisher(local.bus, local.ingest) as publisher:
        publisher.send_raw("events", b"u1", b"no json")
    publish(local, clicks(3))
    with sinking(local) as sink:
        until(sink, lambda: sink.totals.records == 3)
        assert sink.totals.rejected == 1
    assert written(local) == 3
    found = list(stretches(files_of(SinkFolder(local.sink), "events")))
    assert sum(each.last + 1 for each in found) == ends(local)
    assert not any(each.missing or each.doubled for each in found)


def test_a_new_hour_begins_a_new_file() -> None:
    hour = 3_600_000
    stamps = [10 * hour - 1, 10 * hour, 10 * hour - 1, 10 * hour + 5, 12 * hour]
    values = [encode(event) for event in clicks(5)]
    pending = Pending(TopicPartition("events", 0), "log", 3, 3)
    pending.add(Fetched("events", 0, 0, 3, 12, [b""] * 5, list(values), [5, 6, 8, 9, 11], stamps), now=0.0)
    files = [pending.file(part) for part in pending.take(most=100)]
    assert [(file.first, file.last, file.hour) for file in files] == [(3, 5, 9), (6, 10, 10), (11, 11, 12)]
    assert len(pending) == 0
    assert pending.start == 12


def test_small_files_of_an_hour_that_is_over_become_one(placed: Settings) -> None:
    for first in range(0, 40, 10):
        publish(placed, clicks(10, first))
        with sinking(placed) as sink:
            until(sink, lambda: sink.totals.records == 10)
    folder = SinkFolder(placed.sink)
    before = folder.published(folder_of("events"))
    assert len(before) > 4
    clock = ManualClock(SystemClock().now() + 7200)
    with sinking(placed, clock) as sink:
        until(sink, lambda: sink.totals.joined == len(before))
    after = folder.published(folder_of("events"))
    assert len(after) <= 4  # two partitions; the test may have run into the next hour
    assert_every_offset_once(placed)


def test_files_that_a_joined_one_has_replaced_are_left_out_and_deleted_later(local: Settings) -> None:
    for first in (0, 10, 20):
        publish(local, clicks(10, first))
        with sinking(local) as sink:
            until(sink, lambda: sink.totals.records == 10)
    folder = SinkFolder(local.sink)
    small = {file: folder.read(file) for file in files_of(folder, "events")}
    clock = ManualClock(SystemClock().now() + 7200)
    with sinking(local, clock) as sink:
        until(sink, lambda: sink.totals.joined > 0)
    for file, rows in small.items():  # as if it had died before it deleted them
        folder.stage(file, rows)
        folder.publish(file)
    assert_every_offset_once(local)
    joined = set(files_of(folder, "events"))
    clock.advance(3600)
    with sinking(local, clock) as sink:
        until(sink, lambda: set(folder.published(folder_of("events"))) == joined)


def test_without_a_folder_it_says_what_to_set(tansu_settings: Settings) -> None:
    with pytest.raises(ConfigError, match="no folder for the sink"):
        SinkFolder(tansu_settings.sink)


def test_killed_at_any_moment_it_loses_and_doubles_nothing(local: Settings) -> None:
    publish(local, clicks(200))
    for kill in range(3):
        process = _process(local)
        before = written(local)
        publish(local, clicks(200, first=200 * (kill + 1)))
        _wait(process, partial(_more_is_written, local, before))
        process.kill()
        process.wait()
    publish(local, clicks(5, first=800))
    process = _process(local)
    _wait(process, lambda: written(local) == 805)
    process.terminate()
    assert process.wait(60) == 0
    assert_every_offset_once(local)


def _more_is_written(settings: Settings, before: int) -> bool:
    return written(settings) > before


def _wait(process: subprocess.Popen[bytes], is_so: Callable[[], bool]) -> None:
    wait_until(lambda: process.poll() is not None or is_so(), 120, "the sink to write")
    assert process.poll() is None


def _process(settings: Settings) -> subprocess.Popen[bytes]:
    given = {
        "bus.bootstrap": settings.bus.bootstrap,
        "bus.prefix": settings.bus.prefix,
        "bus.group": settings.bus.group,
        "bus.session_timeout_seconds": 1,
        "sink.url": settings.sink.url,
        "sink.every_seconds": settings.sink.every_seconds,
        "sink.topics": '["events"]',
    }
    flags = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    return start(["sink", *flags])
