"""Off-policy estimates on the Open Bandit sample, where the truth is known: both policies were shown.

    python -m bench.open_bandit FOLDER [--json FILE]

FOLDER is the unpacked package `obp` 0.4.1 (`pip download --no-deps obp==0.4.1`; a wheel is a zip), which holds 10,000
rounds of each policy and campaign and the prior of the Thompson sampler; it is not ours to pass on. The truth, too, is
the mean of 10,000 rounds with 38 to 69 clicks, so it is itself off by an eighth.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.trials.off_policy.rewards import Means
from stream_rec.trials.off_policy.values import (
    Floats,
    Rounds,
    check_support,
    effective_rounds,
    values,
    weights_of,
)

PLACES = 3
DRAWS = 100_000
RUNS = 20
"""Bootstrap samples of the log, as in the examples of the package: the mean and standard deviation of the error."""
CAMPAIGNS = ("all", "men", "women")


class Logged(NamedTuple):
    """Rounds of one policy: items and places from 0."""

    items: NDArray[np.int64]
    places: NDArray[np.int64]
    clicks: Floats
    propensities: Floats


def main() -> None:
    """Print a line for each estimate."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path)
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    figures: dict[str, object] = {}
    for campaign in CAMPAIGNS:
        for logged, judged in (("random", "bts"), ("bts", "random")):
            found = _judged(asked.folder, campaign, logged, judged)
            figures[f"{campaign}: {judged} by {logged}"] = found
            print(f"{campaign}: {judged} by {logged}", json.dumps(found), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2))


def _judged(folder: Path, campaign: str, logged: str, judged: str) -> dict[str, object]:
    """Truth, effective rounds, and of each estimate: value, interval, relative error, and that of bootstrap samples."""
    log, other = (
        _rounds(folder / "dataset/obd" / each / campaign / f"{campaign}.csv") for each in (logged, judged)
    )
    n_items = int(max(log.items.max(), other.items.max())) + 1
    policy = _bts(folder, campaign, n_items) if judged == "bts" else np.full((PLACES, n_items), 1 / n_items)
    truth = float(other.clicks.mean())
    weights = weights_of(log.propensities, policy[log.places, log.items])
    found: dict[str, object] = {"truth": truth, "effective": round(effective_rounds(weights))}
    chance = np.random.default_rng(1)
    try:
        check_support(weights, np.arange(len(weights)))
        estimates = list(values(_with_model(log, policy)))
        samples = [list(values(_with_model(_sample(log, chance), policy))) for _ in range(RUNS)]
    except ConfigError as error:
        return found | {"refused": error.message}
    for i, each in enumerate(estimates):
        errors = [abs(sample[i].value - truth) / truth for sample in samples]
        found[each.estimator] = {
            "value": round(each.value, 5),
            "interval": [round(each.low, 5), round(each.high, 5)],
            "relative_error": round(abs(each.value - truth) / truth, 3),
            "of_samples": [round(float(np.mean(errors)), 3), round(float(np.std(errors)), 3)],
        }
    return found


def _sample(log: Logged, chance: np.random.Generator) -> Logged:
    rows = chance.integers(0, len(log.items), len(log.items))
    return Logged(*(column[rows] for column in log))


def _with_model(log: Logged, policy: Floats) -> Rounds:
    weights = weights_of(log.propensities, policy[log.places, log.items])
    users = np.arange(len(log.items))
    n_items = policy.shape[1]
    means = Means(log.clicks, log.items, log.places, users, n_items=n_items, n_places=PLACES)
    everything = np.arange(n_items)
    of_fold = np.array(
        [
            [
                policy[place] @ means.expected(everything, np.full(n_items, place), np.full(n_items, fold))
                for place in range(PLACES)
            ]
            for fold in (0, 1)
        ]
    )
    expected = means.expected(log.items, log.places, users)
    return Rounds(log.clicks, weights, expected, of_fold[users % 2, log.places], users)


def _rounds(file: Path) -> Logged:
    with file.open(newline="") as lines:
        rows = [
            (int(row["item_id"]), int(row["position"]), float(row["click"]), float(row["propensity_score"]))
            for row in csv.DictReader(lines)
        ]
    items, places, clicks, propensities = (np.array(column) for column in zip(*rows, strict=True))
    return Logged(items, places - places.min(), clicks, propensities)


def _bts(folder: Path, campaign: str, n_items: int) -> Floats:
    """[places, items]: how often Thompson sampling from the prior has an item in a place."""
    prior = yaml.safe_load((folder / "policy/conf/prior_bts.yaml").read_text())[campaign]
    chance = np.random.default_rng(1)
    counts = np.zeros((PLACES, n_items))
    for _ in range(DRAWS // 1000):
        drawn = chance.beta(prior["alpha"], prior["beta"], (1000, n_items))
        best = np.argsort(-drawn, axis=1)[:, :PLACES]
        for place in range(PLACES):
            counts[place] += np.bincount(best[:, place], minlength=n_items)
    return counts / counts.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    main()
