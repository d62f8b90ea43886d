"""What a floor costs: the same events, asked with it and without."""

from __future__ import annotations

import random

import polars as pl
import pytest

from stream_rec.bench import cold_start, floors
from stream_rec.bench.cold_start import Plan
from stream_rec.offline.datasets.rows import LOG_SCHEMA
from stream_rec.schemas.records import Item
from stream_rec.settings import EngineSettings, Settings

N = 240
ITEMS = [Item(f"i{n}", f"Item {n}") for n in range(30)]


@pytest.fixture
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    given = {
        "user_id": [f"u{rng.randrange(20)}" for _ in range(N)],
        "item_id": [f"i{int(30 * rng.random() ** 2)}" for _ in range(N)],
        "ts": [1e9 + 60.0 * n for n in range(N)],
        "event_type": ["click"] * N,
    }
    table = pl.DataFrame(
        {name: given.get(name, [None] * N) for name in LOG_SCHEMA}, schema=LOG_SCHEMA, strict=False
    )
    monkeypatch.setattr(cold_start, "load_columns", lambda *_: table)
    monkeypatch.setattr(cold_start, "load_items", lambda *_: ITEMS)
    monkeypatch.setattr(cold_start, "_SAMPLED", 3)


@pytest.mark.usefixtures("small_log")
def test_with_the_floor_every_slate_has_a_new_item() -> None:
    engine = EngineSettings(max_users=64, max_items=64, n_factors=8, train_first=0)
    settings = Settings(engine=engine)
    figures = floors.run(settings, lambda _: None, Plan("small", 0, 5), places=1, slates=1.0)
    assert figures["asked"] == pytest.approx(N / 9, abs=4)
    assert float(figures["share_of_new_floor"]) >= 0.2
    assert float(figures["share_of_new_floor"]) >= float(figures["share_of_new_plain"])
    assert 0.0 < float(figures["floor_price"]) <= 1.5
