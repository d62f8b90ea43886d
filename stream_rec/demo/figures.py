"""What the demo shows, at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """Live figures; nan = not measured yet.

    Attributes:
        seconds: since the replay began.
        n_events: events to be replayed.
        n_published: events that the broker has acknowledged.
        n_bad: bad messages sent on purpose.
        n_done: records of `events` that the worker has committed (good and bad).
        events_per_s: records of `events` that the worker commits, per second, recently.
        lag: records of `events` that it has not committed yet.
        freshness_ms_p50: publish to readable slate, of the sampled events of the last seconds.
        freshness_ms_p99: the same.
        n_watched: events that freshness was measured on, since the replay began.
        hit_rate: served hit-rate at k, recently.
        hit_rate_popular: of the popular list on the same events.
        k: the cut-off of both.
        n_slates: slates written.
        n_dead_letters: dead letters of the worker.
    """

    seconds: float
    n_events: int
    n_published: int
    n_bad: int
    n_done: int
    events_per_s: float
    lag: int
    freshness_ms_p50: float
    freshness_ms_p99: float
    n_watched: int
    hit_rate: float
    hit_rate_popular: float
    k: int
    n_slates: int
    n_dead_letters: int
