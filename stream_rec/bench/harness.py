"""What all benches share: a calibration kernel, repetition in turns, medians, and a line of progress."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Figures = dict[str, float | int | str | bool]
"""A bench's result: one flat object."""
Say = Callable[[str], None]
"""Takes one line of progress."""

CALIBRATION_REPEATS = 5
_CALIBRATION_VALUES = 1_000_000
_CALIBRATION_STEPS = 500_000


def calibration_ms() -> float:
    """Time of a fixed piece of work on one thread, to compare figures of different machines and moments.

    Half of it is interpreted arithmetic, half a sort and a scattered read in numpy, as in our hot paths.

    Returns:
        Milliseconds, median of `CALIBRATION_REPEATS` runs.
    """
    return statistics.median(_calibration_once() for _ in range(CALIBRATION_REPEATS))


def _calibration_once() -> float:
    values = np.random.default_rng(7).integers(0, _CALIBRATION_VALUES, _CALIBRATION_VALUES)
    began = time.perf_counter()
    total = 0
    for step in range(_CALIBRATION_STEPS):
        total = (total * 31 + step) & 0xFFFF_FFFF
    total += int(np.sort(values)[values].sum() & 0xFF)
    return (time.perf_counter() - began) * 1e3


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median of each key over runs that all have the same keys.

    Raises:
        ValueError: no runs, or their keys differ.
    """
    if not runs or any(run.keys() != runs[0].keys() for run in runs):
        raise ValueError("runs must be there and have the same keys")
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def in_turns(
    arms: Mapping[str, Callable[[], Mapping[str, float]]], repeats: int, say: Say
) -> dict[str, list[Mapping[str, float]]]:
    """Run every arm once, then again, `repeats` times: slow drifts of the machine hit all arms alike."""
    results: dict[str, list[Mapping[str, float]]] = {name: [] for name in arms}
    for number in range(1, repeats + 1):
        for name, arm in arms.items():
            say(f"{name}, {number} of {repeats} ...")
            figures = arm()
            say("  " + ", ".join(f"{key} {shown(value)}" for key, value in figures.items()))
            results[name].append(figures)
    return results


def shown(value: float | int | str | bool) -> str:
    """A figure for people: four digits, and no exponent where there is an ordinary way to write it."""
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "not measured"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 10_000 else f"{value:,.4g}"


def say_on_stderr(line: str) -> None:
    """Progress for a person; stdout stays for the result."""
    print(line, file=sys.stderr, flush=True)
