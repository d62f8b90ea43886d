"""All peers, and the settings that are tried for each: the best by MRR@20 on the first 20 % of the events is run.

A grid is tried in its order until half of the peer's time is up; the first entry is the one that is most likely to do
well, or the package's default where there was no telling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ROWS = ("session", "user")


@dataclass(frozen=True, slots=True)
class Entry:
    """A peer.

    Attributes:
        make: `module:class` in bench.peers; called with one setting of the grid. None = our engine.
        grid: settings to try.
        package: whose it is; None = written here, after the paper that the module names.
        in_project: the package is among this project's own dependencies, so it runs in the project's environment.
        server: it is a program that the user has built and names by `--PEER PATH`; `make` is given its path, too.
    """

    make: str | None
    grid: Sequence[Mapping[str, Any]]
    package: str | None = None
    in_project: bool = True
    server: bool = False


def _river(model: str, factors: int | None = None) -> list[dict[str, Any]]:
    """A log without values is learned as clicks against drawn items; with ratings, by value may do better."""
    fixed = {"model": model} if factors is None else {"model": model, "factors": factors}
    clicks = [
        {**fixed, "of": of, "target": "clicks", "drawn": drawn, "rate": rate}
        for rate in (0.05, 0.01)
        for drawn in ("items", "events")
        for of in reversed(_ROWS)
    ]
    return [*clicks[:4], {**fixed, "of": "user", "target": "value", "rate": 0.025}, *clicks[4:]]


def _flurs(model: str) -> list[dict[str, Any]]:
    return [
        {"model": model, "of": of, "k": 40, "l2_reg": 0.01, "learn_rate": rate}
        for rate in (0.05, 0.003)
        for of in reversed(_ROWS)
    ]


def _surprise(model: str, *own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By value where every event has one; counts of a pair's events are tried last."""
    return [
        {"model": model, "of": of, "target": target, "refit_every": 10_000, **each}
        for target in ("value", "count")
        for each in own
        for of in (reversed(_ROWS) if target == "count" else ("user",))
    ]


def _recfarm(model: str) -> list[dict[str, Any]]:
    return [
        {"model": model, "of": of, "near": near, "refit_every": refit, "update_every": update}
        for near in (100, 20)
        for refit, update in ((1_000, 100), (5_000, 20))
        for of in reversed(_ROWS)
    ]


PEERS: dict[str, Entry] = {
    "popularity": Entry(
        "popularity:Popularity", [{"half_life": n} for n in (5_000, 20_000, None, 1_000, 300)]
    ),
    "item_knn": Entry(
        "item_knn:ItemKnn",
        [
            {"of": of, "window": window, "shrink": shrink}
            for shrink in (10.0, 0.0)
            for of in _ROWS
            for window in (5, 20, 100)
        ],
    ),
    "vmis_knn": Entry(
        "vmis_knn:VmisKnn",
        [
            {"of": of, "m": m, "k": k, "last": 9, "repeats": repeats}
            for of in _ROWS
            for m, k in ((500, 100), (1_000, 500))
            for repeats in (False, True)
        ],
    ),
    "river_baseline": Entry("river_models:RiverModel", _river("Baseline"), "river"),
    "river_funk_mf": Entry("river_models:RiverModel", _river("FunkMF", 16), "river"),
    "river_biased_mf": Entry("river_models:RiverModel", _river("BiasedMF", 16), "river"),
    "implicit_als": Entry(
        "implicit_models:Als",
        [
            {
                "of": of,
                "factors": factors,
                "regularization": 0.01,
                "alpha": alpha,
                "iterations": 15,
                "refit_every": 20_000,
                "partial_every": 1_000,
            }
            for factors in (64, 128)
            for alpha in (1.0, 10.0)
            for of in _ROWS
        ],
        "implicit",
        in_project=False,
    ),
    "implicit_bpr": Entry(
        "implicit_models:Bpr",
        [
            {
                "of": of,
                "factors": 64,
                "regularization": 0.01,
                "learning_rate": rate,
                "iterations": 100,
                "refit_every": 10_000,
                "by_item": by_item,
            }
            for rate in (0.01, 0.05)
            for of in _ROWS
            for by_item in (False, True)
        ],
        "implicit",
        in_project=False,
    ),
    "rtrec_slim": Entry(
        "rtrec_models:RtrecSlim",
        [
            {"of": of, "batch": batch, "nn_feature_selection": 50, "alpha": alpha, "l1_ratio": 0.1}
            for batch in (1_000, 5_000)
            for alpha in (0.1, 0.001, 0.000_001)
            for of in reversed(_ROWS)
        ],
        "rtrec",
        in_project=False,
    ),
    "flurs_mf": Entry("flurs_models:FlursModel", _flurs("MF"), "flurs", in_project=False),
    "flurs_bprmf": Entry("flurs_models:FlursModel", _flurs("BPRMF"), "flurs", in_project=False),
    "lightfm_warp": Entry(
        "lightfm_models:LightFm",
        [
            {
                "of": of,
                "loss": "warp",
                "no_components": 64,
                "learning_rate": 0.05,
                "epochs": epochs,
                "refit_every": 10_000,
                "by_item": by_item,
            }
            for epochs in (10, 30)
            for of in _ROWS
            for by_item in (False, True)
        ],
        "lightfm",
        in_project=False,
    ),
    "surprise_svd": Entry(
        "surprise_models:SurpriseModel",
        _surprise("SVD", {"n_factors": 100}, {"n_factors": 20}, {"n_factors": 20, "reg_all": 0.1}),
        "surprise",
        in_project=False,
    ),
    "surprise_svdpp": Entry(
        "surprise_models:SurpriseModel",
        _surprise("SVDpp", {"n_factors": 20}, {"n_factors": 20, "reg_all": 0.1}),
        "surprise",
        in_project=False,
    ),
    "surprise_knn": Entry(
        "surprise_models:SurpriseModel",
        _surprise("KNNBaseline", {"k": 40}, {"k": 10}),
        "surprise",
        in_project=False,
    ),
    "recfarm_item_cf": Entry("recfarm_models:Recfarm", _recfarm("ItemCF"), "recfarm", in_project=False),
    "recfarm_user_cf": Entry("recfarm_models:Recfarm", _recfarm("UserCF"), "recfarm", in_project=False),
    "recfarm_swing": Entry("recfarm_models:Recfarm", _recfarm("Swing"), "recfarm", in_project=False),
    "gorse": Entry(
        "gorse:Gorse",
        [
            {"of": of, "first": first, "context": 20, "refit_every": 5_000}
            for first in ("item-to-item", "collaborative", "user-to-user")
            for of in reversed(_ROWS)
        ],
        server=True,
    ),
    "serenade": Entry(
        "serenade:Serenade",
        [
            {"of": of, "m": m, "k": k, "last": last, "refit_every": 1_000}
            for m, k in ((500, 100), (1_000, 500))
            for of in _ROWS
            for last in (9, 2)
        ],
        server=True,
    ),
    "ours": Entry(None, [{}]),
}
