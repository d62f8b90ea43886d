"""An alarm lets the ranker move faster for a while, and changes nothing else."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.state.layout import leaves
from tests.engine.worlds import click, engine


def test_after_an_alarm_the_ranker_takes_larger_steps_and_nothing_else_changes() -> None:
    calm, alarmed = engine(train_sample=1.0), engine(train_sample=1.0)
    rng = np.random.default_rng(1)
    rows = [(f"u{n % 9}", f"i{rng.integers(30)}", 60.0 * n) for n in range(400)]
    for e in (calm, alarmed):
        click(e, *rows)
    before = calm.state.ranker.linear.copy()
    alarmed.on_drift()
    changed = [
        path
        for (path, a), (_, b) in zip(leaves(calm.state), leaves(alarmed.state), strict=True)
        if a.tobytes() != b.tobytes()
    ]
    assert changed == [f"ranker.{part}_squares" for part in ("linear", "hidden", "bias", "out")]
    for e in (calm, alarmed):
        click(e, *[(f"u{n % 9}", f"i{n % 30}", 24_000.0 + 60.0 * n) for n in range(10)])
    moved = [np.abs(e.state.ranker.linear - before).sum() for e in (calm, alarmed)]
    assert moved[1] > 1.3 * moved[0]


def test_many_alarms_leave_the_ranker_finite() -> None:
    e = engine(train_sample=1.0)
    for n in range(200):
        e.on_drift()
        click(e, (f"u{n % 5}", f"i{n % 12}", 60.0 * n))
    assert all(np.isfinite(part).all() for _, part in leaves(e.state.ranker))
    assert np.isfinite(e.recommend(["u1"]).scores).all()
