"""A log goes onto the bus once, in order, whole, also in several runs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import ManualClock
from stream_rec.embedded.tansu import TansuServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.offline.datasets.files import FileSource
from stream_rec.offline.datasets.shaped import ShapedSource
from stream_rec.producers.feed.feed import Progress
from stream_rec.producers.feed.pace import EventTime, PerSecond
from stream_rec.producers.feed.stopping import stop_on_signals
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.replay.replay import replay, resume_file
from stream_rec.settings import BusSettings, Settings, ShapeSettings
from tests.reading import messages

N = 3000


@pytest.fixture
def bus(tansu_settings: Settings) -> BusSettings:
    ensure_topics(tansu_settings.bus)
    return tansu_settings.bus


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    path = tmp_path / "log.csv"
    path.write_text("ts,user_id,item_id\n" + "".join(f"{n},u{n % 17},i{n}\n" for n in range(N)))
    return FileSource(path)


def published(bus: BusSettings) -> list[dict[str, Any]]:
    return [json.loads(message.value()) for message in messages(bus, "events")]


def assert_whole_and_in_order(events: list[dict[str, Any]]) -> None:
    """Every row once, and each user's rows in the log's order."""
    assert sorted(e["ts"] for e in events) == list(range(N))
    for user in {e["user_id"] for e in events}:
        times = [e["ts"] for e in events if e["user_id"] == user]
        assert times == sorted(times), user


def after(n_asked: int) -> Callable[[], bool]:
    """Stops when it is asked for the n-th time."""
    left = iter(range(n_asked))
    return lambda: next(left, None) is None


def test_a_log_is_published_once_and_in_order(settings: Settings, source: FileSource) -> None:
    ensure_topics(settings.bus)
    with Publisher(settings.bus) as publisher:
        done = replay(source, publisher)

    assert (done.n_sent, done.n_acknowledged, done.n_bad, done.stopped) == (N, N, 0, False)
    assert (done.fraction, done.event_ts) == (1.0, N - 1)
    assert_whole_and_in_order(published(settings.bus))


def test_stopped_again_and_again_it_repeats_nothing_and_skips_nothing(
    bus: BusSettings, source: FileSource
) -> None:
    runs = []
    with Publisher(bus) as publisher:
        for n_asked in (1, 700, 1, 1500, 99, 10_000):
            resume = resume_file(source, bus, source.path.with_suffix(".resume"))
            runs.append(replay(source, publisher, resume=resume, stop=after(n_asked)))

    assert [run.n_sent for run in runs] == [1, 700, 1, 1500, 99, N - 2301]
    assert [run.stopped for run in runs] == [True] * 5 + [False]
    assert_whole_and_in_order(published(bus))
    assert not resume.path.exists()


def test_a_limit_ends_a_run_like_a_stop(bus: BusSettings, source: FileSource) -> None:
    resume = resume_file(source, bus, source.path.with_suffix(".resume"))
    with Publisher(bus) as publisher:
        first = replay(source, publisher, resume=resume, limit=1000)
        second = replay(source, publisher, resume=resume)

    assert (first.n_sent, second.n_sent) == (1000, N - 1000)
    assert_whole_and_in_order(published(bus))


def test_rows_acknowledged_beyond_the_mark_are_not_sent_again(bus: BusSettings, source: FileSource) -> None:
    resume = resume_file(source, bus, source.path.with_suffix(".resume"))
    done = resume.load()
    for position in [*range(10), 12, 13, 20]:
        done.done(position)
    resume.save(done)

    with Publisher(bus) as publisher:
        replay(source, publisher, resume=resume)

    assert sorted(e["ts"] for e in published(bus)) == [10, 11, *range(14, 20), *range(21, N)]


def test_in_another_incarnation_of_the_topic_it_starts_anew(bus: BusSettings, source: FileSource) -> None:
    with TansuServer.start() as broker:
        other = bus.model_copy(update={"bootstrap": broker.bootstrap})
        ensure_topics(other)
        assert resume_file(source, bus).path != resume_file(source, other).path
        os.kill(broker.pid, signal.SIGKILL)


def once(act: Callable[[], None]) -> Callable[[Progress], None]:
    """Does it when the bus has the first 10 events, and never again."""
    acted = False

    def progressed(progress: Progress) -> None:
        nonlocal acted
        if progress.n_acknowledged >= 10 and not acted:
            acted = True
            act()

    return progressed


def test_a_sigint_is_a_wish_to_stop(bus: BusSettings, source: FileSource) -> None:
    interrupt = once(lambda: os.kill(os.getpid(), signal.SIGINT))
    resume = resume_file(source, bus, source.path.with_suffix(".resume"))
    with Publisher(bus) as publisher:
        with stop_on_signals() as stop:
            pace = PerSecond(500.0)
            first = replay(source, publisher, pace=pace, resume=resume, stop=stop, on_progress=interrupt)
        second = replay(source, publisher, resume=resume)

    assert first.stopped
    assert 10 <= first.n_sent < N
    assert first.n_sent + second.n_sent == N
    assert_whole_and_in_order(published(bus))


def test_signals_act_as_ever_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals() as stop:
        assert not stop()
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_bad_rows_are_counted_and_left_out(bus: BusSettings, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"ts,user_id,item_id\n1,ann,x\n,ann,x\n2,,x\n3,ann,{'x' * 300}\n4,ann,y\n")

    with Publisher(bus) as publisher:
        done = replay(FileSource(path), publisher)

    assert (done.n_sent, done.n_bad) == (2, 3)
    assert [(what, cause.n) for what, cause in done.faults.causes.items()] == [
        ("user_id is empty", 1),
        ("ts is empty", 1),
        ("id_too_long", 1),
    ]
    assert done.faults.causes["id_too_long"].example.startswith("row 4: item_id has 300 bytes")
    assert sorted(e["item_id"] for e in published(bus)) == ["x", "y"]


def test_a_file_without_any_event_is_an_error_that_says_why(bus: BusSettings, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("ts,user_id,item_id\n2019-10-01 00:00:00 CET,ann,x\n")
    source = FileSource(path)
    resume = resume_file(source, bus, tmp_path / "resume.json")

    with Publisher(bus) as publisher, pytest.raises(ConfigError, match="holds no event") as error:
        replay(source, publisher, resume=resume)

    assert (
        "1 row: ts cannot be read as ISO 8601, e.g. row 1: '2019-10-01 00:00:00 CET'" in error.value.message
    )
    assert not resume.path.exists()


class TurningClock(ManualClock):
    """A clock that goes on by a millisecond whenever it is read."""

    def monotonic(self) -> float:
        self.advance(0.001)
        return super().monotonic()


def test_an_event_waits_until_it_is_due(bus: BusSettings, source: FileSource) -> None:
    """Events are a second apart; at 100 times the speed the 50th is due after 0.49 s."""
    reports: list[float] = []
    with Publisher(bus) as publisher:
        done = replay(
            source,
            publisher,
            pace=EventTime(100.0),
            limit=50,
            on_progress=lambda progress: reports.append(progress.seconds),
            clock=TurningClock(),
        )

    assert done.n_sent == 50
    assert done.seconds >= 0.49
    assert reports == sorted(reports)
    assert len(reports) >= 4


def test_when_the_bus_goes_away_what_it_has_is_written_down(source: FileSource) -> None:
    with TansuServer.start() as broker:
        bus = BusSettings(bootstrap=broker.bootstrap, publish_timeout_seconds=2.0)
        ensure_topics(bus)
        resume = resume_file(source, bus, source.path.with_suffix(".resume"))

        kill = once(lambda: os.kill(broker.pid, signal.SIGKILL))
        with pytest.raises(Unavailable):
            replay(source, Publisher(bus), pace=PerSecond(500.0), resume=resume, on_progress=kill)

    assert 0 < resume.load().low < N


METARANK = [
    {"event": "item", "id": "m-a", "timestamp": "1700000000000", "item": "a",
     "fields": [{"name": "title", "value": "A"}]},
    {"event": "ranking", "id": "r-1", "timestamp": "1700000001000", "user": "u1", "session": "s",
     "items": [{"id": "a"}, {"id": "b"}]},
    {"event": "interaction", "type": "click", "id": "c-1", "timestamp": "1700000002000", "user": "u1",
     "session": "s", "item": "a"},
]  # fmt: skip


@pytest.mark.parametrize("catalogue", [True, False])
def test_items_and_impressions_of_a_file_are_published_under_their_keys(
    bus: BusSettings, tmp_path: Path, *, catalogue: bool
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in METARANK))
    log = ShapedSource.of(path, ShapeSettings(preset="metarank"), "metarank")
    with Publisher(bus) as publisher:
        done = replay(log, publisher, catalogue=catalogue)
    assert done.beside == ({"items": 1, "impressions": 1} if catalogue else {"impressions": 1})
    assert [message.key() for message in messages(bus, "items")] == [b"a"] * catalogue
    [shown] = messages(bus, "impressions")
    assert (shown.key(), json.loads(shown.value())["items"]) == (b"u1", ["a", "b"])
    assert [event["item_id"] for event in published(bus)] == ["a"]
