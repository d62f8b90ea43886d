"""Gathers the live figures from where any user could: Kafka's offsets, Redis, and the probe."""

from __future__ import annotations

import math
from collections import deque

from stream_rec.bus.lag import OffsetReader
from stream_rec.demo.figures import Figures
from stream_rec.producers.feed.feed import Progress
from stream_rec.serve.freshness_probe import FreshnessProbe, percentile
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader
from stream_rec.telemetry.points import field
from stream_rec.telemetry.series import POPULAR_LIST, SLATE

RATE_SECONDS = 4.0
"""Rates are taken over this long: commits come once a second or so."""
RECENT_SAMPLES = 250


class Watch:
    """Reads all figures at one moment. Not thread-safe.

    Args:
        settings: of the running stack.
        probe: measures freshness.
        n_events: that will be replayed.
    """

    def __init__(self, settings: Settings, probe: FreshnessProbe, n_events: int) -> None:
        self._settings = settings
        self._offsets = OffsetReader(settings.bus)
        self._reader = Reader(settings.store)
        self._probe = probe
        self._n_events = n_events
        self._done: deque[tuple[float, int]] = deque()

    def read(self, progress: Progress, n_bad: int, seconds: float) -> Figures:
        """The figures now, `seconds` after the replay began; `n_bad` bad messages were sent.

        Raises:
            Unavailable: a server went away.
        """
        lines = self._offsets.lag(["events"])
        n_done = sum(line.committed or 0 for line in lines)
        watched = self._probe.seconds()
        fresh = watched[-RECENT_SAMPLES:]
        values = self.last_values()
        k = self._settings.measure.k

        def hit_rate(source: str) -> float:
            return values.get(field("served_hit_rate", {"source": source, "k": str(k)}), math.nan)

        return Figures(
            seconds=seconds,
            n_events=self._n_events,
            n_published=progress.n_acknowledged,
            n_bad=n_bad,
            n_done=n_done,
            events_per_s=self._rate(seconds, n_done),
            lag=sum(line.lag for line in lines),
            freshness_ms_p50=percentile(fresh, 0.5) * 1000,
            freshness_ms_p99=percentile(fresh, 0.99) * 1000,
            n_watched=len(watched),
            hit_rate=hit_rate(SLATE),
            hit_rate_popular=hit_rate(POPULAR_LIST),
            k=k,
            n_slates=int(values.get("slates_written", 0)),
            n_dead_letters=int(sum(v for name, v in values.items() if name.startswith("dead_letters"))),
        )

    def last_values(self) -> dict[str, float]:
        """What the one worker last reported; empty before its first report."""
        for reported in self._reader.last_values().values():
            return reported.values
        return {}

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()

    def _rate(self, seconds: float, n_done: int) -> float:
        self._done.append((seconds, n_done))
        while len(self._done) > 2 and self._done[1][0] <= seconds - RATE_SECONDS:
            self._done.popleft()
        then, before = self._done[0]
        return (n_done - before) / (seconds - then) if seconds > then else 0.0
