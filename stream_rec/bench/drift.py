"""`stream-rec bench drift`: how often the drift detector cries wolf, and how soon it finds a change.

False alarms are counted on stationary streams of a million hits, in runs of 1 to 20 equal ones as one user's events
make them, with and without a season; a season's rate swings about its mean as a sine, or is low for a part of each
period. Delays are measured on streams whose rate falls from .30 to .25 at a known hit.
"""

from __future__ import annotations

import statistics

import numpy as np
from numpy.typing import NDArray

from stream_rec.bench.harness import Figures, Say
from stream_rec.feedback.drift import LevelTest
from stream_rec.settings import Settings

HITS = 1_000_000
RUNS = (1, 2, 3, 5, 10, 20)
BEFORE, AFTER = 0.30, 0.25
N_BEFORE, N_AFTER = 50_000, 20_000
WITHIN = 10_000
SOON_RUNS = (1, 2, 3)
"""Runs in which a test with so few false alarms can find the change in time, nearly always."""
_BATCH = 50

Rates = NDArray[np.float64]


def run(settings: Settings, say: Say, *, hits: int = HITS, streams: int = 20) -> Figures:
    """Count false alarms, then measure delays.

    Args:
        settings: `measure.drift_delta` counts.
        say: takes progress.
        hits: of each stationary stream.
        streams: with a change, for each length of run.

    Returns:
        `false_alarms`, the most in any one stationary stream, of drops and rises together; `false_alarms_all` over all
        of them, and `stationary_streams`, how many; `delay`, the longest of `delay_runs_of_N` for runs of 1 to 3; these
        are medians of the hits until the fall is found, NaN = not found in most streams; `found_runs_of_N`, the share
        of streams in which it is found within 10,000.
    """
    delta = settings.measure.drift_delta
    counted = []
    for name, rates in _stationary(hits).items():
        found = [len(alarms(delta, _stream(rates, length, seed=length))) for length in RUNS]
        say(f"{name}: false alarms in runs of {RUNS}: {found}")
        counted.extend(found)
    figures: Figures = {
        "false_alarms": max(counted),
        "false_alarms_all": sum(counted),
        "stationary_streams": len(counted),
        "hits_per_stream": hits,
    }
    changed = np.concatenate([np.full(N_BEFORE, BEFORE), np.full(N_AFTER, AFTER)])
    delays = {}
    for length in RUNS:
        found = [_delay(delta, _stream(changed, length, seed=1000 * length + n)) for n in range(streams)]
        delays[length] = statistics.median(found)
        say(f"runs of {length}: found after {sorted(found)}")
        figures[f"delay_runs_of_{length}"] = delays[length] if delays[length] < N_AFTER else float("nan")
        figures[f"found_runs_of_{length}"] = sum(delay <= WITHIN for delay in found) / streams
    soon = max(delays[length] for length in SOON_RUNS)
    return {"delay": soon if soon < N_AFTER else float("nan")} | figures


def _stationary(hits: int) -> dict[str, Rates]:
    """Rates by hit, stationary but for a season."""
    at = np.arange(hits)

    def sine(swing: float, period: int) -> Rates:
        return np.asarray(BEFORE * (1 + swing * np.sin(2 * np.pi * at / period)))

    def low(share: float, period: int) -> Rates:
        return np.where(at % period >= (1 - share) * period, AFTER, BEFORE)

    return {
        "rate .30": np.full(hits, 0.30),
        "rate .10": np.full(hits, 0.10),
        "rate .03": np.full(hits, 0.03),
        "a sine of 2,000 hits, .30 +- .06": sine(0.2, 2_000),
        "a sine of 20,000 hits, .30 +- .03": sine(0.1, 20_000),
        "a sine of 50,000 hits, .30 +- .06": sine(0.2, 50_000),
        "a sine of 300,000 hits, .30 +- .15": sine(0.5, 300_000),
        "low for a sixth of 100,000 hits, .25": low(1 / 6, 100_000),
        "low for half of 20,000 hits, .25": low(1 / 2, 20_000),
    }


def _stream(rates: Rates, run_length: int, seed: int) -> Rates:
    """Hits in runs of equal ones."""
    draws = np.random.default_rng(seed).random(-(-len(rates) // run_length))
    first_rates = rates[::run_length]
    return np.repeat(draws < first_rates, run_length)[: len(rates)].astype(np.float64)


def alarms(delta: float, stream: Rates) -> list[int]:
    """Hits read when each alarm came, drops below 0.

    Args:
        delta: `measure.drift_delta`.
        stream: hits, in order.
    """
    test, found = LevelTest(delta), []
    for start in range(0, len(stream), _BATCH):
        for moved in test.update(stream[start : start + _BATCH], 0):
            found.append(start + _BATCH if moved.level > moved.normal else -start - _BATCH)
    return found


def _delay(delta: float, stream: Rates) -> int:
    """Hits from the change until a drop was found; N_AFTER = it was not."""
    drops = [-at - N_BEFORE for at in alarms(delta, stream) if -at > N_BEFORE]
    return min(drops, default=N_AFTER)
