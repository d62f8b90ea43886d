"""The engine, run as `stream-rec evaluate` runs it, with default settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from bench.peers.protocol import K, Outcome
from bench.peers.stream import Stream
from stream_rec.engine.engine import Engine
from stream_rec.engine.warm import warm_up
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.rules import Rules
from stream_rec.offline.evaluate.run import Run
from stream_rec.settings import EngineSettings, ScenarioSettings


def run(log: Path, stream: Stream) -> Outcome:
    """The same events, and asked for the same of them; the guard against leaks is on.

    Learning contains judging: the engine ranks its training sample and what is asked on its way. Ranking is timed as
    slates of one user.

    Args:
        log: Parquet in the form of `stream_rec.offline.datasets.rows.LOG_SCHEMA`, the rows of the stream.
        stream: what is asked.
    """
    warm_up()
    plan = Plan.of(pl.read_parquet(log), Rules("prequential", exclude_seen=stream.exclude_seen))
    plan = replace(plan, asked=stream.asked)
    settings = EngineSettings()
    engine = Engine(settings.model_copy(update={"scenarios": {"default": ScenarioSettings(k=K)}}))
    found = Run(plan, engine, K, lambda _done, _total: None).run()
    ranks = found.ranks[:, 0]
    return Outcome(
        np.where(ranks <= K, ranks, 0),
        len(plan) / found.ask_events_per_s,
        found.query_us / 1e6,
        len(plan),
    )
