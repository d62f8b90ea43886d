"""After warming up the worker's first batch compiles nothing."""

from __future__ import annotations

import numpy as np

from stream_rec.feedback.attribution import Attribution
from stream_rec.feedback.measures import Measures
from stream_rec.feedback.warm import warm_up
from stream_rec.kernels import attribution as join
from stream_rec.kernels import prequential
from stream_rec.kernels import served as slates
from stream_rec.schemas.columns import Span
from stream_rec.settings import MeasureSettings
from tests.feedback.making import BUILT_IN, FakeJudged, FakeLearned, do, hashes, show

ENTRIES = (
    join.expose,
    join.interact,
    prequential.add_ranks,
    prequential.add_durations,
    slates.put,
    slates.ranks,
    slates.ranks_in_list,
)


def test_a_batch_after_warming_up_compiles_nothing() -> None:
    warm_up()
    before = [len(kernel.signatures) for kernel in ENTRIES]
    a = Attribution(MeasureSettings(), BUILT_IN, max_items=100, scenarios=["default"])
    m = Measures(MeasureSettings(), ["markov", "vectors"], attribution=a)
    show(a, 1, [10, 11], ts=0)
    do(a, 1, 10, ts=1)
    users, items = hashes([1, 2]), hashes([10, 11])
    m.served.set_popular(items)
    m.served.put(users, np.zeros((2, 20), np.uint64))
    fresh = FakeJudged(
        np.zeros(1, np.int32),
        np.ones(1, np.int32),
        np.ones((1, 2), np.int32),
        np.ones(1, np.int32),
        np.ones(1, bool),
    )
    span, broker_ts = Span("events", 0, 1, 0, 2), np.array([0, 1])
    m.on_batch(
        span,
        np.arange(2),
        broker_ts,
        served=m.served.ranks(users, items),
        popular=m.served.popular_ranks(items),
        learned=FakeLearned(2, fresh=fresh),
    )
    m.on_written(span, broker_ts, 5.0, written=2, stale=0)
    m.time_stage(span, "write", 0.001, 2)
    assert [len(kernel.signatures) for kernel in ENTRIES] == before
