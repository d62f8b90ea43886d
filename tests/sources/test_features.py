"""The table of features is whole: what it names exists, and everything that is told by it agrees."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stream_rec.engine.engine import Engine
from stream_rec.offline.evaluate.weights import ranker_weights
from stream_rec.settings import EngineSettings
from stream_rec.sources import features, registry
from stream_rec.sources.features import FEATURES, NAMES, SOURCES, SWITCHES
from tests.engine.worlds import engine


@pytest.fixture(scope="module")
def small() -> Engine:
    return engine()


def test_names_turns_and_parts_are_used_once() -> None:
    for column in (
        [feature.name for feature in FEATURES],
        list(NAMES),
        [source.turn for source in SOURCES],
        [source.state for source in SOURCES if source.state],
    ):
        assert len(set(column)) == len(column)


def test_every_source_proposes_and_every_feature_is_some_sources() -> None:
    for name in SWITCHES:
        assert hasattr(registry.MODULES[name], "propose"), name
    assert {feature.source for feature in FEATURES} == set(NAMES)


def test_the_ranker_and_the_settings_go_by_the_table(small: Engine) -> None:
    assert list(ranker_weights(small)) == [feature.name for feature in FEATURES]
    assert small.sources[: small.n_sources_in_use] == NAMES
    assert EngineSettings().sources == features.SWITCHES
    assert [features.number_of(feature.name) for feature in FEATURES] == list(range(len(FEATURES)))


def test_a_source_that_is_not_in_the_table_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="neighbours, item_neighbours"):
        EngineSettings(sources=("neighbors",))
