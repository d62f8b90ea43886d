"""The table of event types: what is built in, what settings change, and what an event means by its value."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from stream_rec.errors import ConfigError
from stream_rec.schemas.event_types import EventTypes, Meaning
from stream_rec.settings import EngineSettings, load


def table(**types: object) -> EventTypes:
    return EventTypes.of(EngineSettings.model_validate({"event_types": types}).event_types)


def read(types: EventTypes, name: str, *values: float | None) -> list[tuple[str, float]]:
    found = types.read(
        [name] * len(values), np.array([np.nan if v is None else v for v in values], np.float32)
    )
    meanings = [Meaning(m).name for m in found.meanings.tolist()]
    return list(zip(meanings, found.weights.tolist(), strict=True))


def test_what_is_built_in_means_what_it_always_meant() -> None:
    types = table()
    weights = {name: read(types, name, None)[0] for name in ("view", "click", "cart", "purchase", "heard of")}
    assert weights == {
        "view": ("POSITIVE", 1.0),
        "click": ("POSITIVE", 1.0),
        "cart": ("POSITIVE", 1.5),
        "purchase": ("POSITIVE", 2.0),
        "heard of": ("POSITIVE", 1.0),
    }
    assert [name for name in types.names if types.row(name).is_conversion] == ["purchase"]
    assert [name for name in types.names if types.row(name).value == "dwell"] == ["view", "dwell"]


def test_a_type_keeps_the_fields_that_are_not_named() -> None:
    row = table(purchase={"weight": 3}).row("purchase")
    assert (row.cases[0].weight, row.is_conversion, row.value) == (3.0, True, "price")


def test_the_first_comparison_that_holds_decides_and_none_does_without_a_value() -> None:
    types = table(
        rating={
            "meaning": "ignore",
            "weight": 7,
            "when": [
                {"value": "== 5", "weight": 2.0},
                {"value": "rating >= 4"},
                {"value": "<2", "meaning": "never"},
                {"value": "< 3", "meaning": "negative"},
            ],
        }
    )
    assert read(types, "rating", 5, 4.5, 1, 2, 3, None) == [
        ("POSITIVE", 2.0),
        ("POSITIVE", 7.0),
        ("NEVER", 7.0),
        ("NEGATIVE", 7.0),
        ("IGNORED", 7.0),
        ("IGNORED", 7.0),
    ]


def test_the_value_of_a_conversion_is_a_price_unless_it_is_said_to_be_another() -> None:
    types = table(order={"conversion": True}, signup={"conversion": True, "value": "none"}, look={})
    assert [types.row(name).value for name in ("order", "signup", "look")] == ["price", "none", "none"]


def test_unknown_types_are_counted_by_name() -> None:
    assert table(play={}).unknown(["play", "stop", "view", "stop", "go"]) == {"stop": 2, "go": 1}


@pytest.mark.parametrize(
    "entry",
    [
        {"meaning": "hate"},
        {"meaning": "undo:what nobody does"},
        {"meaning": "undo:scroll"},
        {"when": [{"value": "four"}]},
        {"when": [{"value": ">= 4"}] * 17},
        {"weight": -1},
        {"hides": "shop"},
        {"colour": "red"},
    ],
)
def test_what_is_no_table_is_refused(entry: object) -> None:
    with pytest.raises(ValidationError):
        table(x=entry, scroll={"meaning": "ignore"})


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("engine.event_weights.x=2", "weight = ..."),
        ("measure.conversion_types=['x']", "conversion = true"),
        ("measure.dwell_types=['x']", "value = 'dwell'"),
    ],
)
def test_settings_of_earlier_releases_are_told_where_they_went(key: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(flags=[key], environment={})


def test_one_field_can_be_set_from_the_command_line() -> None:
    settings, origins = load(flags=["engine.event_types.dislike.meaning=negative"], environment={})
    assert settings.engine.event_types["dislike"].meaning == "negative"
    assert "engine.event_types.dislike.meaning" in origins
