"""A source that is switched off is not heard, goes on learning, and is heard again by an engine that has it on."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.sources.features import NAMES
from tests.sources.making import batch, clicks, engine

LOG = clicks(7, 300, users=20, items=40, pause=8000.0)


@pytest.mark.parametrize("source", NAMES)
def test_it_brings_no_candidates_and_knows_no_item(source: str) -> None:
    alone, without = engine(sources=(source,)), engine(sources=tuple(s for s in NAMES if s != source))
    at = NAMES.index(source)
    heard = alone.learn(batch(LOG), judge_all=True).fresh
    rest = without.learn(batch(LOG), judge_all=True).fresh
    assert heard.rank_by_source[:, at].any()
    assert not np.delete(heard.rank_by_source, at, axis=1).any()
    assert not rest.rank_by_source[:, at].any()


@pytest.mark.parametrize("source", NAMES)
def test_the_ranker_gives_its_features_no_weight_beyond_the_prior(source: str) -> None:
    untouched, e = engine(), engine(sources=tuple(s for s in NAMES if s != source), train_sample=1.0)
    e.learn(batch(LOG))
    own = NAMES.index(source) == e.held.rates.source_of
    for part in ("linear", "hidden"):
        moved = getattr(e.state.ranker, part) != getattr(untouched.state.ranker, part)
        assert not moved[..., own].any()
        assert moved[..., ~own].any()


def test_everything_but_the_ranker_is_learned_as_ever() -> None:
    full, deaf = engine(), engine(sources=("popularity",))
    for e in (full, deaf):
        e.learn(batch(LOG))
    kept = [e.state._replace(ranker=full.state.ranker) for e in (full, deaf)]
    full.state, deaf.state = kept
    assert full.digest() == deaf.digest()


def test_slates_of_popularity_alone_are_the_same_for_all() -> None:
    e = engine(sources=("popularity",))
    e.learn(batch(LOG))
    slates = e.recommend(["u1", "u2", "stranger"], k=5).items
    assert slates[0] == slates[1] == slates[2]
