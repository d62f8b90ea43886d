"""`bench snapshot` on a small engine: every figure is there."""

from __future__ import annotations

from stream_rec.bench.snapshot import run
from stream_rec.settings import Settings


def test_it_gives_every_figure() -> None:
    small = {"max_users": 200, "max_items": 100, "ring_length": 8}
    figures = run(Settings.model_validate({"engine": small}), lambda _: None)
    assert {"pause_ms", "restore_s", "write_s", "last_s", "mib", "extra_mib"} < figures.keys()
    assert all(float(figures[key]) > 0 for key in ("pause_ms", "restore_s", "write_s", "mib"))
