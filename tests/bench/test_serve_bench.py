"""`bench serve --live`, on few requests: what it counts is right; how fast it was is not judged here."""

from __future__ import annotations

import json
from pathlib import Path

from stream_rec.bench.serve import Used
from tests.cli.running import run

SMALL = {
    "rate": 50,
    "seconds": 2,
    "live-rate": 20,
    "pairs": 20,
    "preload": 500,
    "learned": 50,
    "steps": 1,
    "step-seconds": 1,
}


def test_reads_and_events_are_counted_while_a_worker_learns(tmp_path: Path) -> None:
    flags = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    path = tmp_path / "serve.json"
    done = run("bench", "serve", "--live", *flags, "--json", str(path), deadline_seconds=900)
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    assert (found["reads"], found["errors"], found["serve_exit_code"]) == (100, 0, 0)
    for name in ("read_ms_p50", "read_ms_p90", "read_ms_p99", "cpu_us_read", "ingest_per_s", "cpu_us_ingest"):
        assert float(found[name]) > 0
    assert float(found["stateless_mib"]) > 10
    for prefix in ("", "stateless_"):
        counts = {name: found[f"{prefix}{name}"] for name in ("pairs", "pair_errors", "stale_unmarked")}
        assert counts == {"pairs": 20, "pair_errors": 0, "stale_unmarked": 0}
    assert (found["live_errors"], found["live_exit_code"]) == (0, 0)
    for name in ("rank_ms_p50", "rank_ms_p99", "ryw_ms_p50", "ryw_ms_p99", "live_mib"):
        assert float(found[name]) > 0


def test_a_feed_that_catches_up_is_no_cost_of_reads() -> None:
    told: list[str] = []
    alone = Used(3.0, 1500.0).since(Used(1.0, 500.0), told.append)
    beside = Used(8.0, 4500.0).since(Used(3.0, 2500.0), told.append)
    assert beside.besides(alone.per_event) == 1.0, "of 5 s, 2000 events took 4"
    assert len(told) == 2
