"""`stream-rec demo` shows the whole way of an event, on servers of its own, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
from pathlib import Path

from rich.console import Console

from stream_rec.demo.figures import Figures
from stream_rec.demo.replaying import N_BAD
from stream_rec.demo.view import LivePanel
from tests.cli.running import clean_environment, run
from tests.forked.process import start

FIGURES = Figures(
    seconds=12.3,
    n_events=100_000,
    n_published=24_000,
    n_bad=3,
    n_done=23_900,
    events_per_s=1998.2,
    lag=103,
    freshness_ms_p50=12.0,
    freshness_ms_p99=float("nan"),
    n_watched=600,
    hit_rate=0.1234,
    hit_rate_popular=0.031,
    k=10,
    n_slates=20_001,
    n_dead_letters=2,
)


def test_movielens_streams_through_and_everything_is_accounted_for(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = run("demo", "--limit", "4000", "--rate", "1000", "--json", str(figures), deadline_seconds=240)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    written = json.loads(figures.read_text())
    assert written["n_published"] == written["n_learned"] == 4000
    assert written["n_dead_letters"] == written["n_bad"] == N_BAD
    assert written["lag"] == 0
    assert written["worker_exit_code"] == 0
    assert written["freshness_ms_p50"] > 0
    assert written["hit_rate"] > written["hit_rate_popular"] > 0
    shown = done.stdout
    assert "recommended now" in shown
    assert re.search(r"\(19\d\d\)", shown), f"items go by their titles: {shown}"
    assert "Try next" in shown
    assert re.search(r"in a browser: http://127\.0\.0\.1:\d+", shown)
    assert "demo --open" in shown


def test_a_log_of_ones_own_can_be_shown(tmp_path: Path) -> None:
    log = tmp_path / "shop.csv"
    rows = (f"u{n % 40},item-{n * n % 90},{1_700_000_000 + n}\n" for n in range(1500))
    log.write_text("user_id,item_id,ts\n" + "".join(rows))
    done = run("demo", "--data", str(log), "--rate", "1500", deadline_seconds=240)
    assert done.returncode == 0, done.stderr
    assert "1,500 learned" in done.stdout
    assert "item-" in done.stdout


def test_interrupted_it_stops_everything_at_once() -> None:
    running = start(
        ["demo", "--rate", "500"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    while " s " not in running.stdout.readline():
        assert running.poll() is None, running.communicate()[1]
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors


def test_the_live_panel_shows_every_figure() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    panel = LivePanel("a title")
    panel.show(FIGURES)
    console.print(panel.panel(FIGURES))
    text = console.export_text()
    for shown in (
        "a title",
        "24,000 of 100,000",
        "1,998",
        "103",
        "12 ms",
        "0.123",
        "0.031",
        "20,001",
        "of 3 bad",
    ):
        assert shown in text
    assert "nan" not in text
