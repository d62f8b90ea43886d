"""`shape guess`: what somebody's data is, told by 200 records."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.guessing import guess_file
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings
from stream_rec.shapes.mapper import compile_shape
from stream_rec.shapes.messages import RawMessage
from stream_rec.shapes.sampling import Guess, of_messages, of_rows
from tests.shapes.test_live import message

PRESETS = [
    "adobe-xdm", "debezium", "ga4", "gorse", "metarank", "personalize", "personalize-csv", "recombee", "rudderstack",
    "segment", "native", "connect-json", "datagen-clickstream", "datagen-pageviews",
]  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_a_topic_of_a_tracker_is_recognised(preset: str) -> None:
    found = of_messages([message(preset, 1)])
    assert found.preset == preset
    assert found.records


@pytest.mark.parametrize(
    ("samples", "preset"),
    [
        ("snowplow-json", "snowplow"),
        ("cloudevents-binary", "cloudevents"),
        ("cloudevents-structured", "cloudevents"),
        ("confluent-avro", "confluent"),
        ("debezium-flat", "debezium"),
    ],
)
def test_so_is_one_with_a_frame(samples: str, preset: str) -> None:
    assert of_messages([message(samples, 1)]).preset == preset


def messages(*bodies: object) -> list[RawMessage]:
    return [
        RawMessage(msgspec.json.encode(body), None, {}, 1_700_000_000_000, "t", 0, n)
        for n, body in enumerate(bodies)
    ]


def as_declared(found: Guess) -> list[object]:
    """What the messages become by the TOML that is printed."""
    settings = Settings.model_validate(tomllib.loads(found.toml("mine")))
    mapper = compile_shape(settings.shapes["mine"])
    return [type(one) for each in MINE for one in mapper.records(each)]


MINE = messages(
    {
        "customer": {"id": 1},
        "Customer-ID": "a",
        "lines": [{"sku": "x"}, {"sku": "y"}],
        "when": "2024-05-01T10:00:00Z",
    },
    {"customer": {"id": 2}, "Customer-ID": "b", "lines": [{"sku": "x"}], "when": "2024-05-01T09:00:00Z"},
)


def test_fields_are_found_by_their_names_and_lists_gone_through() -> None:
    found = of_messages(MINE)
    assert found.settings["events"] == {
        "user_id": "Customer-ID", "item_id": "lines[].sku", "ts": "when", "event_type": "'view'",
    }  # fmt: skip
    assert [(one.user_id, one.item_id) for one in found.records if isinstance(one, Interaction)] == [
        ("a", "x"), ("a", "y"), ("b", "x"),
    ]  # fmt: skip
    assert (found.unit, found.n_late) == ("ISO 8601", 1)
    assert as_declared(found) == [Interaction] * 3


def test_messages_without_a_time_take_the_brokers() -> None:
    found = of_messages(messages({"userId": "u", "itemId": "i"}))
    assert found.settings["events"]["ts"] == "@timestamp"
    [event] = found.records
    assert isinstance(event, Interaction)
    assert event.ts == 1.7e9


def test_where_nothing_looks_like_a_user_it_is_said_what_there_is() -> None:
    with pytest.raises(ConfigError, match="no field looks like user_id; there are colour, size"):
        of_messages(messages({"colour": "red", "size": 3}))


def test_a_file_of_dates_is_read_by_their_pattern_but_never_if_they_mean_two_days(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("Customer;Product-ID;When\nann;7;13.04.2020 10:00\nbob;8;03.05.2020 11:00\n")
    found = guess_file(path)
    assert found.settings["unit"] == "%d.%m.%Y %H:%M"
    assert [one.ts for one in found.records if isinstance(one, Interaction)] == [1586772000.0, 1588503600.0]
    path.write_text("Customer;Product-ID;When\nann;7;03/04/2020\n")
    with pytest.raises(ConfigError, match="either of two days"):
        guess_file(path)
    path.write_text("Customer;Product-ID;When\nann;7;03/04/2020\nbob;8;04/28/2020\n")
    assert guess_file(path).settings["unit"] == "%m/%d/%Y"


def test_a_file_without_times_is_taken_in_its_order_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id,rating\n3,4,5\n3,5,1\n")
    found = guess_file(path)
    assert "rows are taken in their order" in found.note
    assert [one.ts for one in found.records if isinstance(one, Interaction)] == [1e9, 1e9 + 1]


def test_ids_that_lost_their_form_get_it_back(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("time,user,product\n1700000000,1.0,2.0\n1700000001,3.0,4.0\n")
    found = [(one.user_id, one.item_id) for one in guess_file(path).records if isinstance(one, Interaction)]
    assert found == [("1", "2"), ("3", "4")]


def test_an_id_may_stand_in_an_object_of_its_name() -> None:
    body = {
        "user": {"id": 5},
        "product": {"id": "p"},
        "event": {"name": "seen"},
        "time": "2024-05-01T10:00:00Z",
    }
    found = of_messages(messages(body))
    assert found.settings["events"] == {
        "user_id": "user.id", "item_id": "product.id", "ts": "time", "event_type": "event.name",
    }  # fmt: skip


def test_types_that_have_a_price_where_the_settings_expect_seconds_of_dwelling_are_told() -> None:
    row = {"user": "ann", "item": "tea", "time": "2024-05-01T10:00:00Z"}
    sent = [row | {"event": kind, "price": "12,90"} for kind in ("view", "purchase", "share")]
    types = Settings().engine.event_types
    found = of_rows(sent, {})
    assert found.settings["events"]["value"] == "number(price, ',')"
    assert found.priced(types) == ["view"]
    view = {"engine": {"event_types": {"view": {"value": "price"}}}}
    assert found.priced(Settings.model_validate(view).engine.event_types) == []
    assert of_rows([row | {"event": "view", "value": 3.5}], {}).priced(types) == []
