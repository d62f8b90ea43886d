"""River models as sources: they learn, they score, and scoring leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError
from stream_rec.schemas.columns import EventBatch
from stream_rec.settings import EngineSettings
from stream_rec.sources.features import N_FEATURES
from stream_rec.sources.river_source import RiverSource

SMALL = EngineSettings(
    max_users=64,
    max_items=64,
    history_length=16,
    ring_length=8,
    train_sample=1.0,
    river_sources=("BiasedMF",),
)


def world(n: int = 300) -> EventBatch:
    """Users like items of their own half of the catalogue."""
    rng = np.random.default_rng(3)
    users = rng.integers(0, 10, n)
    items = rng.integers(0, 8, n) * 2 + users % 2
    return EventBatch.of(
        [(f"u{u}", f"i{i}", 60.0 * t) for t, (u, i) in enumerate(zip(users, items, strict=True))]
    )


def test_a_model_prefers_what_its_users_took() -> None:
    source = RiverSource("BiasedMF", 4, 4, seed=1)
    for _ in range(200):
        source.learn(0, 1, 1.0)
        source.learn(0, 2, 0.0)
    scores = source.score(0, np.array([1, 2], np.int32))
    assert scores[0] > scores[1]


def test_scoring_never_writes() -> None:
    source = RiverSource("BiasedMF", 8, 8, seed=1)
    source.learn(0, 1, 1.0)
    for user in range(8):
        source.score(user, np.arange(8, dtype=np.int32))
    assert len(source._model.u_latents) == 1
    assert len(source._model.i_latents) == 1


def test_a_stranger_gets_no_opinion() -> None:
    source = RiverSource("Baseline", 4, 4, seed=1)
    assert source.score(-1, np.arange(4, dtype=np.int32)).tolist() == [0, 0, 0, 0]


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="BiasedMF"):
        Engine(SMALL.model_copy(update={"river_sources": ("Nonesuch",)}))


def test_the_engine_judges_a_river_source_beside_its_own() -> None:
    engine = Engine(SMALL)
    at = engine.sources.index("river_BiasedMF")
    fresh = engine.learn(world()).fresh
    assert fresh.rank_by_source.shape[1] == len(engine.sources)
    assert (fresh.rank_by_source[:, at] > 0).any()
    assert engine.state.ranker.linear[N_FEATURES] != 0


def test_river_sources_leave_the_rest_of_the_engine_as_it_is() -> None:
    engine, plain = Engine(SMALL), Engine(SMALL.model_copy(update={"river_sources": ()}))
    for each in (engine, plain):
        each.learn(world())
    assert (engine.state.popularity.scores == plain.state.popularity.scores).all()
    assert (engine.state.factors.items == plain.state.factors.items).all()


def test_slates_with_a_river_source_are_as_long_as_without() -> None:
    engine = Engine(SMALL)
    engine.learn(world())
    ranked = engine.recommend(["u1", "u2", "stranger"], k=5)
    assert [len(items) for items in ranked.items] == [5, 5, 5]
