"""A worker without an engine, the floor of `bench freshness`.

    python -m stream_rec.bench.floor_worker --set KEY=VALUE ...

The same transport, decoding, slates of the same length in Redis, topics, commits and measures; what is missing is
learning and ranking.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from stream_rec import logs
from stream_rec.consumers.worker import run
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Judged, Learned, Ranked
from stream_rec.schemas.columns import EventBatch
from stream_rec.settings import EngineSettings, MeasureSettings, load


class NoEngine(Engine):
    """Learns nothing, and recommends the same items to everybody."""

    def __init__(self, settings: EngineSettings, measure: MeasureSettings) -> None:
        super().__init__(settings.model_copy(update={"max_users": 64, "max_items": 256}), measure)
        self._nothing_judged = Judged(
            at=np.zeros(0, np.int32),
            rank=np.zeros(0, np.int32),
            rank_by_source=np.zeros((0, len(self.sources)), np.int32),
            popularity=np.zeros(0, np.int32),
            only_index=np.zeros(0, np.bool_),
        )

    def learn(self, batch: EventBatch, **_: Any) -> Learned:
        """Only the position moves."""
        self.position[batch.span.tp] = batch.span.next
        none = np.zeros(0, np.int64)
        return Learned(len(batch), none, none, none, none, self._nothing_judged, 0, 0)

    def recommend(self, users: Sequence[str], *, scenario: str = "default", k: int | None = None) -> Ranked:
        """The same k items for all."""
        length = k or self.settings.scenarios[scenario].k
        n = len(users)
        return Ranked(
            items=[[f"item-{place}" for place in range(length)]] * n,
            scores=[[1.0 / (place + 1) for place in range(length)]] * n,
            sources=[[0] * length] * n,
            because=[[""] * length] * n,
            source_names=self.sources,
            rows=np.zeros((n, length), np.int32),
            hashes=np.zeros((n, length), np.uint64),
            only_index=np.zeros((n, length), np.bool_),
            relaxed=[False] * n,
        )


def main() -> int:
    """Run until SIGTERM, with the settings of `--set KEY=VALUE ...`."""
    logs.configure()
    settings, _ = load(flags=[word for word in sys.argv[1:] if word != "--set"])
    return run(settings, make_engine=NoEngine)


if __name__ == "__main__":
    sys.exit(main())
