"""Compile the measuring kernels once, so that the first batch does not wait."""

from __future__ import annotations

import numpy as np

from stream_rec.feedback.attribution import Attribution
from stream_rec.feedback.prequential import add_ranks
from stream_rec.feedback.served import Served
from stream_rec.kernels.prequential import add_durations
from stream_rec.schemas.event_types import EventTypes
from stream_rec.settings import EngineSettings, MeasureSettings
from stream_rec.telemetry import histograms
from stream_rec.telemetry.series import FRESHNESS_LIMITS_MS


def warm_up() -> None:
    """Run one event and one impression through every kernel; milliseconds once compiled, seconds before."""
    one = np.ones(1, np.uint64)
    ts, broker_ts = np.zeros(1, np.float64), np.zeros(1, np.int64)
    types = EventTypes.of(EngineSettings().event_types)
    attribution = Attribution(
        MeasureSettings(max_open_places=256), types, max_items=16, scenarios=["default"]
    )
    attribution.interact(one, one, ts, ["click"], np.zeros(1, np.float32))
    attribution.expose(
        one,
        one,
        np.ones(1, np.int64),
        ts,
        broker_ts,
        partition=0,
        scenarios=["default"],
        variants=[None],
        returning=[False],
    )
    served = Served(users=16, k=1)
    served.set_popular(one)
    served.put(one, one[:, None])
    served.ranks(one, one)
    served.popular_ranks(one)
    sums = np.zeros((len(FRESHNESS_LIMITS_MS) + 3, 2))
    add_ranks(sums, 0, np.ones((1, 1), np.int32), k=1)
    histogram = histograms.empty()
    histograms.add(histogram, 1.0)
    add_durations(sums, 0, 1, FRESHNESS_LIMITS_MS, histogram, broker_ts, 0, 1, 0.0)
