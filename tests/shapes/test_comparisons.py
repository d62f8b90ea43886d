"""What is no number is neither more nor less than one: a condition that asks for it cannot be said; it is not false."""

from __future__ import annotations

from typing import Any

import pytest

from stream_rec.schemas.records import Interaction, Item
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.mapper import Mapper, compile_shape
from stream_rec.shapes.messages import RawMessage, Refused, Removed, Unread


def _item(stock: Any, **paths: str) -> list[Any]:
    shape = ShapeSettings(items={"item_id": "id", "available": "(stock > 0)", **paths})
    return Mapper(shape, "feed").of_object({"id": "a", "stock": stock}, RawMessage(b""))


@pytest.mark.parametrize(("stock", "is_available"), [(3, True), ("3", True), ("0", False), (-1, False)])
def test_numbers_and_their_texts_decide(stock: Any, is_available: bool) -> None:
    (item,) = _item(stock)
    assert isinstance(item, Item)
    assert item.available is is_available


def test_an_item_is_refused_whose_stock_is_no_number_and_the_ways_to_read_it_are_named() -> None:
    assert _item("auf Lager") == [
        Refused(
            "wrong_type",
            "available",
            "stock is no number ('auf Lager'); if that means yes: (stock in ['auf Lager'] or stock > 0)",
            is_told=True,
        )
    ]
    (refused,) = _item("1,250")
    assert "by number(stock, ',') 1.25; by number(stock, '.') 1250.0" in refused.detail
    assert _item(["3"])[0].reason == "wrong_type"


def test_a_stock_that_is_not_given_says_nothing_and_is_counted() -> None:
    for nothing in ("", None, "NULL"):
        item, unread = _item(nothing)
        assert item.available is True
        assert unread == Unread(
            "missing_field", "available", "stock is not given: such an item counts as available"
        )


def test_words_that_the_shape_knows_decide_before_the_comparison() -> None:
    paths = {"available": "(stock in ['auf Lager'] or (not stock in ['aus'] and stock > 0))"}
    assert [_item(stock, **paths)[0].available for stock in ("auf Lager", "aus", 2, 0)] == [
        True,
        False,
        True,
        False,
    ]
    assert isinstance(_item("bald", **paths)[0], Refused)
    assert isinstance(_item("bald", available="(not stock < 1)")[0], Refused)


def test_when_does_not_take_its_other_option_for_what_is_no_number() -> None:
    paths = {"available": "when(stock > 0, 'IN_STOCK') || 'OUT_OF_STOCK'"}
    assert [_item(stock, **paths)[0].available for stock in (1, 0, None)] == [True, False, False]
    assert _item("viel", **paths)[0].detail.startswith("stock is no number ('viel')")
    assert _item("number", available="(number(stock, ',') > 0)")[0].field == "available"


def test_an_optional_field_is_left_out_and_counted() -> None:
    item, unread = _item("viel", available="'true'", **{"attributes.many": "(stock > 9)"})
    assert item.attributes is None
    assert (unread.field, unread.reason) == ("attributes.many", "wrong_type")
    assert unread.detail.startswith("stock is no number ('viel')")


def test_neither_keep_nor_removed_is_false_in_silence() -> None:
    assert _item("viel", keep="stock > 0")[0].field == "keep"
    assert _item("viel", removed="stock < 0")[0].field == "removed"
    assert _item(-1, removed="stock < 0") == [Removed("a")]
    assert _item(0, keep="stock > 0")[0].reason == "not_kept"


def test_events_are_judged_alike_by_every_way_of_reading_them() -> None:
    paths = {"user_id": "u", "item_id": "i", "ts": "@timestamp", "keep": "n > 0"}
    read = compile_shape(ShapeSettings(events=paths)).records
    kept, left, none, wrong = (
        read(RawMessage(b'{"u":"a","i":"b","n":%b}' % n, timestamp=1_700_000_000_000))[0]
        for n in (b"1", b"0", b"null", b'"x"')
    )
    assert isinstance(kept, Interaction)
    assert isinstance(left, Refused) and isinstance(none, Refused) and isinstance(wrong, Refused)
    assert (left.reason, none.reason) == ("not_kept", "not_kept")
    assert (wrong.reason, wrong.field) == ("wrong_type", "keep")
