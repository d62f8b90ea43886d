"""What Surprise expects of ratings as they come: `python -m bench.peers.surprise_ratings FOLDER SETTINGS`.

Reads `log.npz` in the folder (users, items, values), writes `expected.npy` there; called by bench/ratings.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.peers.interactions import Refits
from bench.peers.protocol import Settings
from bench.peers.surprise_models import Fitted


def expected(
    users: NDArray[np.int64], items: NDArray[np.int64], values: NDArray[np.float64], settings: Settings
) -> NDArray[np.float64]:
    """Test, then train: float64 [n], by what the last fit says; the mean so far before the first one.

    Args:
        users: [n]
        items: [n]
        values: [n]
        settings: `model`, `refit_every` (as in surprise_models) and the package's own.
    """
    ratings: dict[tuple[int, int], float] = {}
    refits, fitted, total = Refits(settings["refit_every"]), None, 0.0
    out = np.full(len(values), np.nan)
    for at, (user, item, value) in enumerate(
        zip(users.tolist(), items.tolist(), values.tolist(), strict=True)
    ):
        if fitted is not None:
            out[at] = fitted.expect(user, item)
        elif at:
            out[at] = total / at
        ratings[user, item] = value
        total += value
        if refits.due():
            fitted = Fitted(settings, ratings)
    return out


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with np.load(folder / "log.npz") as log:
        found = expected(log["users"], log["items"], log["values"], json.loads(sys.argv[2]))
    np.save(folder / "expected.npy", found)
