"""The table of metrics is complete, bounded and the one in the docs."""

from __future__ import annotations

from pathlib import Path

from stream_rec.feedback.outcomes import RATES
from stream_rec.telemetry.metric_table import BY_NAME, METRICS, with_table
from stream_rec.telemetry.series import Series

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_table_in_the_docs_is_the_one_in_the_code() -> None:
    text = DOCUMENT.read_text()
    fix = "run: python -m stream_rec.telemetry.metric_table docs/metrics.md"
    assert text == with_table(text), fix


def test_no_name_stands_twice() -> None:
    assert len(BY_NAME) == len(METRICS)


def test_everything_that_is_summed_stands_in_the_table_with_its_labels() -> None:
    rows = [name for name in Series(10, ["markov"]).names if name is not None]
    for metric, labels in rows:
        assert set(BY_NAME[metric].labels) == set(labels), metric
        assert BY_NAME[metric].topic, metric
    outcomes = {metric for metric, _, _ in RATES} | {"coverage"}
    assert {metric for metric, _ in rows} | outcomes == {m.name for m in METRICS if m.topic}
