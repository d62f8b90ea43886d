"""`bench loop` on few events: shoppers see the worker's slates, and the figures are what happened."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.bench import loop
from stream_rec.bench.loop import Plan, markov, recovery, seasons
from stream_rec.bench.loop_shop import Slates, Tally, acting
from stream_rec.bench.loop_worker import LoopWorker
from stream_rec.errors import ContractError
from stream_rec.producers.simulate.shop import ShopPlan
from stream_rec.schemas.records import Interaction
from stream_rec.settings import EngineSettings, Settings

SETTINGS = Settings(engine=EngineSettings(max_users=512, max_items=256, n_factors=8))
SHOP = ShopPlan(n_users=200, n_items=200, n_categories=8, seed=5, events_per_second=1.0)


def slates(at: list[int], likely: list[float]) -> Slates:
    n = len(at)
    return Slates(np.array(at), np.full(n, ""), np.array(likely), np.full(n, np.nan), np.zeros(n, np.bool_))


def test_shoppers_read_what_the_worker_has_written_and_every_look_is_tallied() -> None:
    worker, tally = LoopWorker(SETTINGS), Tally()
    events = list(acting(SHOP, worker, 1000, tally))
    assert worker.engine.n_learned == len(events) == tally.n_events == 1000
    found = tally.slates()
    assert (np.diff(found.at) >= 0).all()
    assert found.clicked.sum() == sum(e.slate_id is not None and e.event_type == "view" for e in events) > 50
    assert found.clicked.mean() == pytest.approx(found.likely.mean(), abs=0.05)
    sampled = np.isfinite(found.best)
    assert sampled.sum() == -(-len(found.at) // 10)
    assert (found.best[sampled] >= found.likely[sampled] - 1e-9).all()
    of_users = {
        slate.slate_id for user in range(200) if (slate := worker.read(f"u{user}")) and slate.slate_id
    }
    assert len(of_users) > 50


def test_the_same_seed_gives_the_same_slates_and_clicks() -> None:
    found = []
    for _ in range(2):
        worker, tally = LoopWorker(SETTINGS), Tally()
        list(acting(SHOP, worker, 400, tally))
        found.append((worker.engine.digest(), tally.slates()))
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1].likely, found[1][1].likely)


def test_what_is_no_record_ends_the_bench() -> None:
    worker = LoopWorker(SETTINGS)
    worker.publish([Interaction("", "i", "view", 1.7e9)], 1.7e9)
    with pytest.raises(ContractError, match="user_id"):
        worker.work()


def test_the_figures_are_there_and_ours_is_clicked_more_than_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "BEFORE", 800)
    monkeypatch.setattr(loop, "WINDOW", 300)
    monkeypatch.setattr(loop, "RUNS", (0.5,))
    figures = loop.run(SETTINGS, lambda _: None, Plan(users=200, events=2500, hits=5000, seed=1))
    assert figures["ctr_ratio_random"] > 1.0
    assert figures["counted_ratio_random"] > 1.0
    assert 0 < figures["regret"] < figures["ctr_best"] <= 1
    assert 0 < figures["quality_lowest"] < figures["quality_before"] < 1
    assert 800 < figures["shifted_after"] < 2200
    assert figures["false_alarms"] == 0
    assert figures["stationary_streams"] == 3


def test_recovery_is_the_first_window_behind_the_lowest_that_is_nearly_as_good_as_before() -> None:
    at = list(range(0, 60_000, 10))
    likely = [0.5 if n < 20_000 else 0.2 if n < 30_000 else 0.49 for n in at]
    found = recovery(slates(at, likely), 20_000)
    assert (found["quality_before"], found["quality_lowest"]) == (pytest.approx(0.5), pytest.approx(0.2))
    assert 12_000 <= found["recovered_after"] <= 13_000
    assert recovery(slates(at, [0.5] * len(at)), 20_000)["recovered_after"] == 0.0
    never = recovery(slates(at, [0.5 if n < 20_000 else 0.4 for n in at]), 20_000)
    assert np.isnan(never["recovered_after"])


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_a_chain_has_its_rate_and_its_correlation(correlation: float) -> None:
    hits = np.array(markov(np.full(200_000, 0.3), correlation, 1), np.float64)
    assert hits.mean() == pytest.approx(0.3, abs=0.015)
    assert np.corrcoef(hits[:-1], hits[1:])[0, 1] == pytest.approx(correlation, abs=0.02)


def test_seasons_have_one_mean_from_year_to_year() -> None:
    for rates in seasons(300_000).values():
        years = rates.reshape(2, -1).mean(axis=1)
        assert years[0] == pytest.approx(years[1], abs=1e-9)
