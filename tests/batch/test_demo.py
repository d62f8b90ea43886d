"""`make batch-demo`, on a simulated log: every step is done, and both arms are judged on what came afterwards."""

from __future__ import annotations

import pytest

from bench import batch_demo
from stream_rec.bench.bench_log import BenchLog
from stream_rec.settings import DataSettings, Settings

pytestmark = pytest.mark.batch

STEPS = (
    " of 5,000 events",
    "sink: ",
    "Spark runs",
    "ALS: ",
    "MLflow: run ",
    "vectors of the space als",
    "slates of default: ",
    "unknown to the stream, is shown a slate of als@",
    "after the user's first event a live slate stands in its place",
    "shadow arm als",
    "judged on ",
)


def test_a_challenger_goes_all_the_way_and_is_judged_beside_the_live_engine() -> None:
    said: list[str] = []
    found = batch_demo.run(Settings(), BenchLog.first(5_000, DataSettings()), said.append)
    for step, line in zip(STEPS, said[: len(STEPS)], strict=True):
        assert step in line
    assert 0 < float(found["judged"]) <= 1_000
    for arm in ("live", "als"):
        # The reciprocal rank counts places behind the 20 that are a hit, too.
        assert 0 < float(found[f"hit_rate_{arm}"]) < 1
        assert 0 < float(found[f"mrr_{arm}"]) < 1
