"""Catalogues of other people: what is of an item becomes its record, and the rest is passed over or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.shaped_items import read_shaped_items
from stream_rec.schemas.records import Item
from stream_rec.settings import IngestSettings, ShapeSettings

RULES = IngestSettings(max_item_tags=2)
GORSE = ShapeSettings(preset="gorse")


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_items_are_read_beside_other_things_and_judged_as_workers_judge_them(tmp_path: Path) -> None:
    file = write(
        tmp_path / "all.jsonl",
        {"FeedbackType": "star", "UserId": "u", "ItemId": "a", "Timestamp": "2026-01-01T00:00:00Z"},
        {"ItemId": "a", "Comment": "A", "Categories": ["x", "y", "z"], "Timestamp": "0001-01-01T00:00:00Z"},
        {"Comment": "nothing"},
        "no object",
    )
    good, *refused = list(read_shaped_items(file, GORSE, "gorse", RULES))
    assert (good.number, good.item) == (2, Item("a", "A", ("x", "y")))
    assert [(flaw.field, flaw.reason) for flaw in good.flaws] == [("tags", "too_many_entries")]
    assert [(row.number, row.item, row.error and row.error.reason) for row in refused] == [
        (3, None, "missing_field"),
        (4, None, "wrong_type"),
    ]


def test_a_text_is_a_tag_and_a_part_that_cannot_be_read_is_told_with_its_item(tmp_path: Path) -> None:
    paths = {"item_id": "id", "tags": "c", "price": "p", "available": "(stock > 0)"}
    file = write(
        tmp_path / "items.jsonl",
        {"id": "a", "c": "shoes", "p": "12,90", "stock": 0},
        {"id": "b", "c": ["x"], "p": 3, "stock": 2},
    )
    first, second = read_shaped_items(file, ShapeSettings(items=paths), "mine", RULES)
    assert (first.item, second.item) == (
        Item("a", tags=("shoes",), available=False),
        Item("b", tags=("x",), price=3.0),
    )
    assert [(part.field, part.detail) for part in first.unread] == [
        ("price", "'12,90' is no number; by number(path, ',') 12.9")
    ]
    assert not second.unread


def test_attributes_may_be_named_with_a_dot_as_toml_reads_it(tmp_path: Path) -> None:
    given = ShapeSettings.model_validate({"items": {"item_id": "id", "attributes": {"colour": "c"}}})
    file = write(tmp_path / "items.jsonl", {"id": "a", "c": "red"})
    (row,) = read_shaped_items(file, given, "mine", RULES)
    assert row.item is not None and row.item.attributes == {"colour": "red"}


def test_a_shape_without_items_is_refused_with_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"says nothing of items.*\n.*shapes\.segment\.items"):
        list(read_shaped_items(tmp_path, ShapeSettings(preset="segment"), "segment", RULES))
