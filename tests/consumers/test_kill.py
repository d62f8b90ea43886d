"""kill -9 in the middle: nothing is lost, nothing is learned twice."""

from __future__ import annotations

import threading
from pathlib import Path

from stream_rec.bus.lag import lag
from stream_rec.settings import Settings
from tests.consumers.publishing import Published, clicks, publish_events
from tests.consumers.running import behind, last_values, running, wait_until_done
from tests.waiting import wait_until

N = 12_000


def test_a_worker_killed_in_mid_replay_loses_nothing(settings: Settings, tmp_path: Path) -> None:
    """Each user's slate knows the user's last event, and the next worker has learned every event once."""
    published: list[Published] = []

    def replay() -> None:
        published.append(publish_events(settings.bus, clicks(N)))

    with running(settings, tmp_path, "first") as first:
        replaying = threading.Thread(target=replay)
        replaying.start()
        wait_until(lambda: committed(settings) > 0, 30, "a commit in mid-replay")
        first.kill()
        replaying.join()
    assert 0 < committed(settings) < N

    with running(settings, tmp_path, "second") as second:
        wait_until_done(settings, N, second)
        learned = "engine{stat=events_learned}"
        wait_until(lambda: N in [one.values.get(learned) for one in last_values(settings)], 10, "the figures")
        assert behind(settings, published[0].last) == {}


def committed(settings: Settings) -> int:
    return sum(at.committed or 0 for at in lag(settings.bus) if at.topic == "events")
