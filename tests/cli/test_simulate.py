"""`stream-rec simulate` puts shoppers on the bus."""

from __future__ import annotations

import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from stream_rec.bus.lag import ends
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import AsOf, Impression, Interaction, Reason, Slate, SlateItem
from stream_rec.settings import Settings
from tests.cli.running import addresses, clean_environment, events, run
from tests.cli.test_serve import serving
from tests.forked.process import start
from tests.reading import records
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


@pytest.mark.parametrize("over_http", [False, True])
def test_shoppers_read_slates_and_what_they_look_at_and_click_is_published(
    tansu_settings: Settings, tmp_path: Path, over_http: bool
) -> None:
    ensure_topics(tansu_settings.bus)
    items = tuple(SlateItem(f"i{n}", 1.0, Reason("popularity")) for n in range(20))
    as_of = AsOf("log", 0, 1, 0, 0.0)
    with redis.Redis.from_url(tansu_settings.store.url) as client:
        for user in range(20):
            slate = Slate(as_of, f"u{user}", "default", f"slate-{user}", "1", 1.0, items, None, "x", "b", 0.5)
            client.set(f"{tansu_settings.store.prefix}rec:default:u{user}", encode(slate))
    shop = ["simulate", "--events", "200", "--items", "40", "--users", "20", "--seed", "7"]
    with ExitStack() as running:
        if over_http:
            _, url = running.enter_context(serving(tansu_settings, tmp_path / "log"))
            shop += ["--url", url]
        done = run(*shop, environment=addresses(tansu_settings))
    assert done.returncode == 0, done.stderr
    shown = records(tansu_settings.bus, "impressions", Impression)
    assert f"{len(shown)} impressions published" in done.stdout
    assert {(each.slate_id[:6], each.experiment, each.variant) for each in shown} == {("slate-", "x", "b")}
    clicks = [e for e in records(tansu_settings.bus, "events", Interaction) if e.slate_id]
    assert clicks
    assert {e.slate_id for e in clicks} <= {each.slate_id for each in shown}


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
