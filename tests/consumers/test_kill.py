"""kill -9 in the middle: nothing is lost, nothing is learned twice."""

from __future__ import annotations

import threading
from pathlib import Path

from stream_rec.bus.lag import lag
from stream_rec.settings import Settings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind, last_values, running, wait_until_done
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
    replay = Replay(settings)
    with running(settings, tmp_path, "first") as first:
        replay.start()
        wait_until(lambda: committed(settings) > 0, 30, "a commit in mid-replay")
        first.kill()
        replay.killed.set()
        replay.join()
    assert 0 < committed(settings) < replay.n

    with running(settings, tmp_path, "second") as second:
        wait_until_done(settings, replay.n, second)
        learned = "engine{stat=events_learned}"
        wait_until(
            lambda: replay.n in [one.values.get(learned) for one in last_values(settings)], 10, "the figures"
        )
        assert behind(settings, replay.last) == {}


def committed(settings: Settings) -> int:
    return sum(at.committed or 0 for at in lag(settings.bus) if at.topic == "events")
