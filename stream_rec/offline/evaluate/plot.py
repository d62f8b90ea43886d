"""The main metric over the stream, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.offline.evaluate.evaluation import BLENDED, Evaluation
from stream_rec.offline.evaluate.ranks import means

WINDOWS = 60
"""Windows of equal size that the queries are cut into; fewer where there are fewer queries."""
SIZE_INCHES, DPI = (10.0, 6.0), 120


def over_the_stream(ranks: NDArray[np.int32], k: int) -> tuple[list[int], NDArray[np.float64]]:
    """Hit-rate and MRR at k of every judge in windows of the queries.

    Args:
        ranks: int32 [q, judges].
        k: cut-off.

    Returns:
        The number of queries at the end of each of the w windows, and float64 [w, judges, 2].
    """
    ends = np.linspace(0, len(ranks), min(WINDOWS, len(ranks)) + 1).round().astype(int)
    windows = [means(ranks[a:b], k)[:, :2] for a, b in pairwise(ends.tolist())]
    return ends[1:].tolist(), np.stack(windows)


def plot(path: Path, name: str, evaluation: Evaluation) -> None:
    """Write a PNG: HR@k above, MRR@k below, for the blend, plain popularity and each source.

    Raises:
        ConfigError: matplotlib is missing, or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(f"--plot: {error}", fix="pip install 'stream-rec[plot]'") from error
    ends, windows = over_the_stream(evaluation.findings.ranks, evaluation.k)
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    for axis, metric in enumerate(("HR", "MRR")):
        _draw(axes[axis], ends, windows[:, :, axis], evaluation.judges)
        axes[axis].set_ylabel(f"{metric}@{evaluation.k}, %")
    axes[0].set_title(f"{name}, {evaluation.rules.protocol}: {len(evaluation.findings.ranks):,} queries")
    axes[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    axes[1].set_xlabel("queries asked")
    try:
        FigureCanvasAgg(figure).print_png(path, metadata={"Software": "stream-rec evaluate"})
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", fix="give a writable file") from error


def _draw(axes: object, ends: list[int], shares: NDArray[np.float64], judges: Sequence[str]) -> None:
    for judge, name in enumerate(judges):
        style = {"linewidth": 2.5, "color": "black"} if name == BLENDED else {"linewidth": 1.0}
        axes.plot(ends, 100.0 * shares[:, judge], label=name, **style)  # type: ignore[attr-defined]
    axes.set_ylim(bottom=0.0)  # type: ignore[attr-defined]
    axes.grid(alpha=0.3)  # type: ignore[attr-defined]
