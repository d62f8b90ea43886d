"""The JSON Schemas that others read are those of the records."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from stream_rec.schemas.codec import encode
from stream_rec.schemas.json_schema import FOLDER, file_name, schema_of, text_of
from stream_rec.schemas.records import (
    AsOf,
    DeadLetter,
    Impression,
    Interaction,
    Item,
    MetricPoint,
    Reason,
    Record,
    Slate,
    SlateItem,
)
from stream_rec.schemas.topics import TOPICS

RECORDS: list[Record] = [
    Interaction(
        "u", "i", "rating", 1.5, "e", "s", 4.0, {"device": "phone", "width": 3.0, "new": True, "x": None}
    ),
    Interaction("u", "i", "view", 1.5),
    Item("i", "Title", ("a", "b"), 1.0, False),
    Impression("s", "u", 1.0, ("i", "j"), "home", (0.5, 0.5), "A"),
    Slate(
        AsOf("log", 1, 2, 3, 4.0),
        "u",
        "default",
        "s",
        "m",
        5.0,
        (SlateItem("i", 0.5, Reason("session", "j")),),
    ),
    MetricPoint("ctr", {"k": "10"}, 60_000, 60, "events", 3, 1.0, 2.0),
    DeadLetter("events", 3, 17, 1, "not_json", "why", b"\xff\x00", 2, False),
]


@pytest.mark.parametrize("topic", TOPICS.values(), ids=list(TOPICS))
def test_the_file_is_not_stale(topic: Any) -> None:
    path = FOLDER / file_name(topic.record)
    assert path.read_text(encoding="utf-8") == text_of(topic.record), "run `python -m stream_rec.schemas`"


def test_no_other_files_lie_there() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {file_name(topic.record) for topic in TOPICS.values()}


@pytest.mark.parametrize("record", RECORDS, ids=[type(record).__name__ for record in RECORDS])
def test_what_we_write_fits_the_schema(record: Record) -> None:
    schema = schema_of(type(record))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(encode(record)), schema, jsonschema.Draft202012Validator)


def test_a_field_of_a_newer_producer_fits_and_a_missing_one_does_not() -> None:
    event = json.loads(encode(Interaction("u", "i", "view", 1.5)))
    schema = schema_of(Interaction)
    jsonschema.validate({**event, "colour": "red"}, schema)
    del event["item_id"]
    with pytest.raises(jsonschema.ValidationError, match="item_id"):
        jsonschema.validate(event, schema)


def test_every_field_is_described() -> None:
    for topic in TOPICS.values():
        for name, field in schema_of(topic.record)["properties"].items():
            assert "description" in field, f"{topic.record.__name__}.{name}"
