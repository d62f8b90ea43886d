"""Predicting ratings as they come: our model beside river's, and a non-linear one of the same factors.

    python -m bench.ratings --data movielens-100k [--events N] [--models ours,Surprise] [--json FILE]

Surprise is among them where `.venv-peers` has it (`make peers` makes it): fitted anew on all ratings so far.

Each is asked what it expects of a rating, and then learns it (test, then train). Settings are those with the least RMSE
on the first half of the log, without its first tenth; the table is of the second half, which no choice has seen.
Predictions of all models are cut to the range of the ratings so far.

The non-linear model is that of He et al., "Neural Collaborative Filtering", WWW 2017, figure 3, for ratings and one
pass: what our biases and inner product say, and added to it a hidden layer over both factors, by Adagrad.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bench.peers.environment import PEERS_PYTHON, ROOT
from stream_rec.kernels.bounds import Bounds
from stream_rec.offline.datasets.mapping import ColumnMapping
from stream_rec.offline.datasets.named import load_columns
from stream_rec.settings import load
from stream_rec.sources import ratings

SEED = 42
WARM = 0.1
"""Of the first half, not counted when settings are chosen."""


class Log(NamedTuple):
    """n ratings in order of time; users and items by number."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    values: NDArray[np.float64]

    def head(self, n: int) -> Log:
        """The first n."""
        return Log(*(column[:n] for column in self))


Settings = dict[str, Any]
Model = Callable[[Log, Settings], NDArray[np.float64]]
"""What is expected of each rating before it is learned, float64 [n]; NaN = nothing."""


def mean(log: Log, _settings: Settings) -> NDArray[np.float64]:
    """The mean of the ratings before."""
    with np.errstate(invalid="ignore"):
        return (np.cumsum(log.values) - log.values) / np.arange(len(log.values))


@njit(cache=False, error_model="numpy")
def _ours(own, rates, users, items, values, seeds, out):  # type: ignore[no-untyped-def]
    for at in range(len(values)):
        out[at] = ratings.expect(own, users[at], items[at])
        ratings.rate(own, rates, users[at], items[at], values[at], seeds[at])


def _empty(log: Log) -> tuple[ratings.RatingState, NDArray[np.uint64]]:
    """A state that has learned nothing, and seeds of the ratings."""
    bounds = Bounds(users=int(log.users.max()) + 1, items=int(log.items.max()) + 1, ratings=True)
    seeds = np.random.default_rng(SEED).integers(1 << 62, size=len(log.values)).astype(np.uint64)
    return ratings.empty(bounds), seeds


def ours(log: Log, _settings: Settings) -> NDArray[np.float64]:
    """The kernels that a worker runs."""
    own, seeds = _empty(log)
    out = np.empty(len(log.values))
    _ours(own, ratings.RATES, log.users, log.items, log.values, seeds, out)
    return out


@njit(cache=False, error_model="numpy")
def _ncf(own, rates, log, seeds, layer, rate, out):  # type: ignore[no-untyped-def]
    """As `ours`, with a hidden layer whose units [H] see both factors.

    layer: weights [H, 1 + 2 F] (bias first) and their Adagrad sums [H], of the output [H] and its sums [H].
    """
    weights, sums, out_weights, out_sums = layer
    first, width = ratings.FACTORS, own.users.shape[1]
    n_factors, n_hidden = width - first, len(sums)
    units, both, back = np.zeros(n_hidden), np.zeros(2 * n_factors), np.zeros(2 * n_factors)
    for at in range(len(out)):
        u, i, value = own.users[log[0][at]], own.items[log[1][at]], log[2][at]
        both[:n_factors], both[n_factors:] = u[first:], i[first:]
        added = 0.0
        for h in range(n_hidden):
            units[h] = weights[h, 0] + np.sum(weights[h, 1:] * both)
            added += out_weights[h] * max(units[h], 0.0)
        spread = ratings._deviation(own)
        out[at] = ratings.predict(own, log[0][at], log[1][at]) + spread * added
        ratings._take_scale(own, rates, value)
        if i[ratings.N_RATINGS] == 0.0:
            ratings._draw_factors(own, rates, log[1][at], seeds[at])
        height = (value - own.scale[ratings.MEAN]) / ratings._deviation(own)
        error = height - ratings._height(own, log[0][at], log[1][at]) - added
        error = min(max(error, -rates.most), rates.most)
        ratings._move_bias(u, error, rates.user_prior, rates.user_floor)
        ratings._move_bias(i, error, rates.item_prior, rates.item_floor)
        back[:] = 0.0
        for h in range(n_hidden):
            if units[h] > 0.0:
                slope = error * out_weights[h]
                out_sums[h] += (error * units[h]) ** 2
                out_weights[h] += rate * error * units[h] / np.sqrt(out_sums[h] + 1.0)
                back += slope * weights[h, 1:]
                sums[h] += slope * slope
                step = rate * slope / np.sqrt(sums[h] + 1.0)
                weights[h, 0] += step
                weights[h, 1:] += step * both
        of_user, of_item = (
            error * both[n_factors:] + back[:n_factors],
            error * both[:n_factors] + back[n_factors:],
        )
        for row, gradient, size in ((u, of_user, rates.user_rate), (i, of_item, rates.item_rate)):
            row[ratings.SQUARES] = rates.memory * row[ratings.SQUARES] + np.mean(gradient * gradient)
            moved = size / np.sqrt(row[ratings.SQUARES] + rates.first_sum)
            for j in range(n_factors):
                row[first + j] = (1.0 - rates.shrinking) * row[first + j] + moved * gradient[j]


def ncf(log: Log, settings: Settings) -> NDArray[np.float64]:
    """Ours, and a hidden layer over both factors; `rate` is the layer's."""
    own, seeds = _empty(log)
    draw, n_hidden, width = np.random.default_rng(SEED), settings["hidden"], 2 * ratings.N_FACTORS
    weights = draw.normal(0.0, 1.0 / math.sqrt(width), (n_hidden, 1 + width))
    layer = (weights, np.zeros(n_hidden), draw.normal(0.0, 0.1, n_hidden), np.zeros(n_hidden))
    out = np.empty(len(log.values))
    _ncf(own, ratings.RATES, tuple(log), seeds, layer, settings["rate"], out)
    return out


def river(name: str) -> Model:
    """A model of river.reco; `rate` None = as it is shipped."""

    def run(log: Log, settings: Settings) -> NDArray[np.float64]:
        from river import optim, reco

        rate = settings["rate"]
        optimizers = () if rate is None else _OPTIMIZERS[name]
        model = getattr(reco, name)(
            **{each: optim.SGD(rate) for each in optimizers}, **({} if name == "Baseline" else {"seed": SEED})
        )
        out = np.empty(len(log.values))
        for at, (user, item, value) in enumerate(zip(*(column.tolist() for column in log), strict=True)):
            out[at] = model.predict_one(user=user, item=item)
            model.learn_one(user=user, item=item, y=value)
        return out

    return run


def surprise(log: Log, settings: Settings) -> NDArray[np.float64]:
    """An algorithm of Surprise, in the environment of the peers."""
    with tempfile.TemporaryDirectory(prefix="stream-rec-ratings-") as folder:
        np.savez(Path(folder) / "log.npz", **log._asdict())
        command = [str(PEERS_PYTHON), "-m", "bench.peers.surprise_ratings", folder, json.dumps(settings)]
        subprocess.run(command, cwd=ROOT, check=True)
        found: NDArray[np.float64] = np.load(Path(folder) / "expected.npy")
    return found


def has_surprise() -> bool:
    """Is it installed in the environment of the peers?"""
    return (
        PEERS_PYTHON.exists()
        and not subprocess.run(
            [str(PEERS_PYTHON), "-c", "import surprise"], check=False, capture_output=True
        ).returncode
    )


_OPTIMIZERS = {
    "Baseline": ("optimizer",),
    "FunkMF": ("optimizer",),
    "BiasedMF": ("bias_optimizer", "latent_optimizer"),
}
_RATES = [{"rate": rate} for rate in (0.005, 0.01, 0.025, 0.05)]
_SURPRISE: dict[str, list[Settings]] = {
    "SVD": [{"n_factors": n, "reg_all": reg} for n in (20, 100) for reg in (0.02, 0.1)],
    "SVDpp": [{"n_factors": 20, "reg_all": reg} for reg in (0.02, 0.1)],
    "KNNBaseline": [{"k": k} for k in (40, 20)],
}
MODELS: dict[str, tuple[Model, list[Settings]]] = {
    "mean so far": (mean, [{}]),
    "ours": (ours, [{}]),
    "ours, and a hidden layer (NCF-like)": (
        ncf,
        [
            {"hidden": hidden, "rate": rate}
            for hidden, rate in product((8, 16, 32), (0.001, 0.003, 0.01, 0.03, 0.1))
        ],
    ),
} | {
    f"river {name}{'' if searched else ', as it comes'}": (
        river(name),
        _RATES if searched else [{"rate": None}],
    )
    for name in _OPTIMIZERS
    for searched in (False, True)
}


def errors(model: Model, log: Log, settings: Settings) -> NDArray[np.float64]:
    """Expected - rating, the expected cut to the range of the ratings before; NaN where nothing was expected."""
    with np.errstate(all="ignore"):
        found = model(log, settings)
    low, high = np.minimum.accumulate(log.values), np.maximum.accumulate(log.values)
    found[1:] = np.clip(found[1:], low[:-1], high[:-1])
    found[0] = np.nan
    return found - log.values


def rmse(sizes: NDArray[np.float64]) -> float:
    """Infinite where a model has lost its numbers."""
    return math.inf if np.isnan(sizes[1:]).any() else float(np.sqrt(np.mean(sizes**2)))


def models(beginnings: str) -> dict[str, tuple[Model, list[Settings]]]:
    """What can be run here, of those whose name begins with one of the words (commas between; "" = all)."""
    others = {
        f"Surprise {name}": (
            surprise,
            [{"model": name, "refit_every": 10_000, **settings} for settings in grid],
        )
        for name, grid in _SURPRISE.items()
    }
    if not has_surprise():
        print("Surprise is not in .venv-peers: `make peers` puts it there", file=sys.stderr)
        others = {}
    return {
        name: each
        for name, each in (MODELS | others).items()
        if name.startswith(tuple(beginnings.split(",")))
    }


def measured(log: Log, beginnings: str) -> Iterator[dict[str, Any]]:
    """Each model's figures on the second half."""
    half = len(log.values) // 2
    head, counted = log.head(half), int(WARM * half)
    for name, (model, grid) in models(beginnings).items():
        errors(model, log.head(10), grid[0])  # compiled before it is timed
        scores = [rmse(errors(model, head, settings)[counted:]) for settings in grid]
        chosen = grid[int(np.argmin(scores))]
        began = time.perf_counter()
        sizes = errors(model, log, chosen)
        seconds = time.perf_counter() - began
        late = sizes[half:]
        yield {
            "model": name,
            "rmse": rmse(late),
            "mae": math.inf if np.isnan(late).any() else float(np.abs(late).mean()),
            "first_half_rmse": min(scores),
            "us": seconds * 1e6 / len(sizes),
            "tried": len(grid),
            "chosen": chosen,
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="movielens-100k", help="a log with a column of ratings")
    parser.add_argument("--events", type=int, help="only the first so many of the log")
    parser.add_argument("--models", default="", help="only these, by how their names begin, commas between")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    settings, _ = load(flags=[])
    rows = load_columns(asked.data, settings.data, ColumnMapping(value="rating")).drop_nulls("value")
    rows = rows.head(asked.events) if asked.events else rows
    users, items = (
        rows[name].cast(str).rank("dense").to_numpy().astype(np.int64) - 1 for name in ("user_id", "item_id")
    )
    log = Log(users, items, rows["value"].to_numpy().astype(np.float64))
    found = []
    print(f"{asked.data}: {len(rows):,} ratings, figures of the second half\n")
    print("| model | RMSE | MAE | first half | us a rating | tried | chosen |\n|---|---|---|---|---|---|---|")
    for each in measured(log, asked.models):
        found.append(each)
        told = (
            ", ".join(f"{name} {value}" for name, value in each["chosen"].items() if value is not None) or "-"
        )
        print(
            f"| {each['model']} | {each['rmse']:.4f} | {each['mae']:.4f} | {each['first_half_rmse']:.4f} | "
            f"{each['us']:.1f} | {each['tried']} | {told} |",
            flush=True,
        )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
