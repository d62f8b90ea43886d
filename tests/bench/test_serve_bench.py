"""`bench serve`, on few requests: what it counts is right; how fast it was is not judged here."""

from __future__ import annotations

import pytest

from stream_rec.bench import serve
from stream_rec.settings import Settings


def test_reads_and_events_are_counted_while_a_worker_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "PRELOAD_EVENTS", 500)
    monkeypatch.setattr(serve, "STEP_SECONDS", 1.0)
    monkeypatch.setattr(serve, "WARM_UP_SECONDS", 0.5)
    monkeypatch.setattr(serve, "MAX_STEPS", 1)
    monkeypatch.setattr(serve, "LEARNED_PER_SECOND", 50.0)
    monkeypatch.setattr(serve, "LIVE_RATE", 20.0)
    found = serve.run(Settings(), print, rate=50.0, seconds=2.0, live=True, pairs=20)
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
