"""`stream-rec simulate` puts shoppers on the bus."""

from __future__ import annotations

import signal
import subprocess

from stream_rec.bus.lag import ends
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.settings import Settings
from tests.cli.running import addresses, clean_environment, events, run
from tests.forked.process import start
from tests.waiting import wait_until


def test_a_past_is_made_at_once_and_ends_now(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    shop = ["--items", "50", "--users", "20", "--seed", "7"]
    done = run("simulate", "--events", "300", *shop, environment=addresses(tansu_settings))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("300 events published")
    seen = events(tansu_settings)
    assert len({event["user_id"] for event in seen}) > 5
    assert max(event["ts"] for event in seen) <= SystemClock().now()
    assert sum(ends(tansu_settings.bus, "items").values()) == 50


def test_without_an_end_it_goes_on_until_it_is_stopped(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    running = start(
        ["simulate", "--rate", "200", "--no-react"],
        env=clean_environment(**addresses(tansu_settings)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: sum(ends(tansu_settings.bus, "events").values()) > 50, what="shoppers")
    running.send_signal(signal.SIGTERM)
    said, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert "events published" in said
