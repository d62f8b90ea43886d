"""kill -9 in the middle: nothing is lost, nothing is learned twice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

from stream_rec.bus.lag import lag
from stream_rec.settings import Settings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind, learned, running, wait_until_done
from tests.waiting import wait_until

CHUNK = 2_000


class Replay(threading.Thread):
    """Publishes chunk after chunk until it is told that the worker was killed, and one more then."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._bus = settings.bus
        self.killed = threading.Event()
        self.n = 0
        self.last: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever has happened: a publisher that nobody ends would fill the broker of all tests."""
        self.killed.set()
        self.join()

    def run(self) -> None:
        while not self.killed.is_set():
            self._publish()
        self._publish()

    def _publish(self) -> None:
        published = publish_events(self._bus, clicks(CHUNK, seed=self.n, first=self.n))
        self.last |= published.last
        self.n += published.n


def test_a_worker_killed_in_mid_replay_loses_nothing(settings: Settings, tmp_path: Path) -> None:
    """Each user's slate knows the user's last event, and the next worker has learned every event once."""
    with running(settings, tmp_path, "first") as first, Replay(settings) as replay:
        wait_until(lambda: committed(settings) > 0, 120, "a commit in mid-replay")
        first.kill()
    assert 0 < committed(settings) < replay.n

    with running(settings, tmp_path, "second") as second:
        wait_until_done(settings, replay.n, second)
        wait_until(lambda: replay.n in learned(settings), 10, "the figures")
        assert behind(settings, replay.last) == {}


def test_when_one_of_two_workers_is_killed_the_other_has_learned_everything_once_and_serves_all(
    settings: Settings, tmp_path: Path
) -> None:
    with running(settings, tmp_path, "first") as first, running(settings, tmp_path, "second") as second:
        wait_until(
            lambda: min(len(first.owned()), len(second.owned())) >= 6,
            120,
            "the partitions to be split",
        )
        with Replay(settings) as replay:
            wait_until(lambda: committed(settings) > 0, 120, "a commit in mid-replay")
            second.kill()
            wait_until(lambda: len(first.owned()) == 14, 120, "the first worker to have everything")
        wait_until_done(settings, replay.n, first)
        wait_until(lambda: replay.n in learned(settings), 10, "the figures")
        assert behind(settings, replay.last) == {}


def committed(settings: Settings) -> int:
    return sum(at.committed or 0 for at in lag(settings.bus) if at.topic == "events")
