"""A worker without an engine, the floor of `bench freshness`.

    python -m stream_rec.bench.floor_worker --set KEY=VALUE ...

The same transport, decoding, slates of the same length in Redis, topics, commits and measures; what is missing is
learning and ranking.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from stream_rec import logs
from stream_rec.consumers.worker import run
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Encoded, Judged, Learned, Rated
from stream_rec.schemas.columns import EventBatch
from stream_rec.schemas.records import Reason, SlateItem
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
        none, no_floats = np.zeros(0, np.int64), np.zeros(0, np.float32)
        rated = Rated(none, no_floats, no_floats)
        return Learned(len(batch), none, none, none, none, self._nothing_judged, rated, 0, 0)

    def encoded(self, users: Sequence[str], *, scenario: str = "default") -> Encoded:
        """The same items for all."""
        k, n = self.settings.scenarios[scenario].k, len(users)
        places = [
            SlateItem(f"item-{place}", round(1.0 / (place + 1), 4), Reason(self.sources[0]))
            for place in range(k)
        ]
        return Encoded(
            items=[msgspec.json.encode(places)] * n,
            hashes=np.zeros((n, k), np.uint64),
            n_items=n * k,
            n_only_index=0,
            relaxed=[False] * n,
        )


def main() -> int:
    """Run until SIGTERM, with the settings of `--set KEY=VALUE ...`."""
    logs.configure()
    settings, _ = load(flags=[word for word in sys.argv[1:] if word != "--set"])
    return run(settings, make_engine=NoEngine)


if __name__ == "__main__":
    sys.exit(main())
