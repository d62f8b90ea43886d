"""A value that cannot become what its field holds is counted with its reason, and never only missing."""

from __future__ import annotations

from typing import Any

import pytest

from stream_rec.schemas.records import Impression, Interaction, Item
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.mapper import Mapper
from stream_rec.shapes.messages import Mapped, RawMessage, Refused, Unread
from stream_rec.shapes.values import NoNumber, written

EVENT = {"user_id": "'ann'", "item_id": "'tea'", "ts": "'1700000000'"}


def mapped(body: dict[str, Any], **outputs: dict[str, str]) -> list[Mapped]:
    return Mapper(ShapeSettings.model_validate(outputs), "test").of_object(body, RawMessage(b""))


def item(body: dict[str, Any], **paths: str) -> list[Mapped]:
    return mapped(body, items={"item_id": "'tea'", **paths})


@pytest.mark.parametrize(
    ("category", "tags"),
    [
        ("shoes", ("shoes",)),
        ("a|b", ("a|b",)),
        (7, ("7",)),
        (["a", None, "b"], ("a", "b")),
        ([], ()),
        ("", ()),
        ("NULL", ()),
        (None, ()),
    ],
)
def test_a_text_or_number_alone_is_one_tag(category: Any, tags: tuple[str, ...]) -> None:
    assert item({"category": category}, tags="category") == [Item("tea", tags=tags)]


def test_several_tags_in_a_text_are_split_and_the_lists_of_other_options_are_taken_too() -> None:
    assert item({"c": "a|b"}, tags="split(c, '|')") == [Item("tea", tags=("a", "b"))]
    assert item({"c": ["a", "b"]}, tags="none[] || c") == [Item("tea", tags=("a", "b"))]
    assert item({"c": "a"}, tags="none[] || c[]") == [Item("tea", tags=("a",))]


def test_an_item_alone_is_a_list_of_one_in_an_impression_too() -> None:
    paths = {"slate_id": "'s'", "user_id": "'ann'", "ts": "'1700000000'", "items": "shown"}
    [found] = mapped({"shown": "tea"}, impressions=paths)
    assert found == Impression("s", "ann", 1700000000.0, ("tea",))


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        ("c", True, "tags cannot be True"),
        ("c", {"name": "x"}, "tags cannot be {'name': 'x'}"),
        ("c", ["a", ["b"]], "tags cannot be ['b']"),
        ("c[].name", ["x", {"name": "a"}, {}], "tags cannot be 'x'"),
    ],
)
def test_what_is_no_tag_is_told_and_the_others_stay(path: str, value: Any, detail: str) -> None:
    found, fault = item({"c": value}, tags=path)
    assert isinstance(found, Item)
    assert found.tags == (("a",) if isinstance(value, list) else ())
    assert fault == Unread("wrong_type", "tags", detail)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "12,90"),
        ("price", False),
        ("title", ["a"]),
        ("owner", {"name": "acme"}),
        ("ts", "31.12.26"),
        ("attributes.size", {"eu": 42}),
    ],
)
def test_a_part_of_an_item_that_cannot_be_read_is_told(field: str, value: Any) -> None:
    found, fault = item({"x": value}, **{field: "x"})
    assert found == Item("tea")
    assert isinstance(fault, Unread)
    assert (fault.field, fault.reason) == (field, "wrong_type")


@pytest.mark.parametrize("field", ["available", "hidden", "available_from", "available_until"])
def test_what_decides_whether_an_item_is_shown_is_not_left_out_but_refused(field: str) -> None:
    [refused] = item({"x": "soon"}, **{field: "x"})
    assert isinstance(refused, Refused)
    assert (refused.field, refused.reason) == (field, "wrong_type")
    assert item({"x": "NULL"}, **{field: "x"}) == [Item("tea")]


def test_an_attribute_may_be_a_list() -> None:
    assert item({"x": [41, 42]}, **{"attributes.sizes": "x"}) == [Item("tea", attributes={"sizes": (41, 42)})]


@pytest.mark.parametrize(
    ("field", "value"), [("value", "12,90"), ("event_id", []), ("session_id", True), ("context.page", {})]
)
def test_a_part_of_an_event_that_cannot_be_read_is_told(field: str, value: Any) -> None:
    found, fault = mapped({"x": value}, events={**EVENT, field: "x"})
    assert found == Interaction("ann", "tea", "view", 1700000000.0)
    assert isinstance(fault, Unread)
    assert (fault.field, fault.reason) == (field, "wrong_type")


def test_a_time_of_day_that_cannot_be_read_is_no_midnight() -> None:
    [refused] = mapped({"x": "10:31"}, events={**EVENT, "ts_plus": "x"})
    assert isinstance(refused, Refused)
    assert refused.field == "ts_plus"


@pytest.mark.parametrize(
    ("text", "mark", "number"),
    [
        ("12,90", ",", 12.9),
        ("1.234,56", ",", 1234.56),
        ("1.234", ",", 1234.0),
        ("-1\u00a0234\u00a0567,8", ",", -1234567.8),
        ("12,90 \u20ac", ",", 12.9),
        ("CHF 1'234.50", ".", 1234.5),
        ("$1,234.50", ".", 1234.5),
        ("12,34,567.00", ".", 1234567.0),
        ("0,5", ",", 0.5),
        ("12.90", ",", None),
        ("1.23.456", ",", None),
        ("0.123", ",", None),
        ("12,90", ".", None),
        ("1,234,56", ".", None),
        ("1.234 567", ",", None),
        ("12 pieces", ".", None),
        (12.9, ",", 12.9),
        (True, ",", None),
    ],
)
def test_a_number_is_read_by_its_decimal_mark_or_not_at_all(
    text: Any, mark: str, number: float | None
) -> None:
    found = written(text, mark)
    assert isinstance(found, NoNumber) if number is None else found == number


def test_a_price_by_another_mark_than_was_said_is_told_and_not_read() -> None:
    assert item({"p": "1.234,56"}, price="number(p, ',')") == [Item("tea", price=1234.56)]
    assert item({"p": "NULL"}, price="number(p, ',')") == [Item("tea")]
    found, fault = item({"p": "12.90"}, price="number(p, ',')")
    assert found == Item("tea")
    assert isinstance(fault, Unread)


def test_what_is_told_of_a_number_says_how_it_may_be_read() -> None:
    _, fault = item({"p": "1,234"}, price="p")
    assert isinstance(fault, Unread)
    assert fault.detail == "'1,234' is no number; by number(path, ',') 1.234; by number(path, '.') 1234.0"


def test_lines_of_an_order_that_share_an_id_get_one_each_by_their_place() -> None:
    body = {"id": "o-1", "lines": [{"sku": "a"}, {"sku": "b"}, {"sku": "a"}]}
    paths = {**EVENT, "item_id": "lines[].sku", "event_id": "id"}
    ids = [one.event_id for one in mapped(body, events=paths) if isinstance(one, Interaction)]
    assert ids == ["o-1", "o-1/1", "o-1/2"]
    own = {**paths, "event_id": "lines[].sku"}
    ids = [one.event_id for one in mapped(body, events=own) if isinstance(one, Interaction)]
    assert ids == ["a", "b", "a"]
