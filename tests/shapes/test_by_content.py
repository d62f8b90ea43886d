"""`shape guess` where names do not say it: decimal marks, days, times of no name, files without a header, a user 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.guessing import guess_file
from stream_rec.schemas.records import Interaction, Item
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.mapper import compile_shape
from stream_rec.shapes.messages import RawMessage
from stream_rec.shapes.numbers import numbers_of
from stream_rec.shapes.sampling import Guess, of_messages

AT = 1714559460.0


def guessed(folder: Path, *lines: str) -> Guess:
    (folder / "log.csv").write_text("\n".join([*lines, ""]))
    return guess_file(folder / "log.csv")


def events(found: Guess) -> list[Interaction]:
    return [one for one in found.records if isinstance(one, Interaction)]


@pytest.mark.parametrize(
    ("values", "path", "remark"),
    [
        (
            ["12,90", "7", "1.234,56"],
            "number(price, ',')",
            "price has a decimal comma: '12,90' is read as 12.9",
        ),
        (["12,90", "1.234"], "number(price, ',')", "price has a decimal comma: '12,90' is read as 12.9"),
        (["7", "1,234.50"], "number(price, '.')", "price has a decimal point: '1,234.50' is read as 1234.5"),
        (["12.90", "1.234", "NULL"], "price", ""),
        (["0.123", "1.234"], "price", ""),
        ([12.9, 1.234], "price", ""),
        (
            ["1.234", "7"],
            "price",
            "price such as '1.234' is read as 1.234; if it is 1234.0: number(price, ',')",
        ),
    ],
)
def test_how_numbers_are_written_is_told_by_all_of_a_column(
    values: list[Any], path: str, remark: str
) -> None:
    found = numbers_of("price", values)
    assert found is not None
    assert (found.path, found.remark) == (path, remark)


def test_a_number_that_is_either_of_two_is_not_taken_and_both_are_told() -> None:
    found = numbers_of("price", ["1,234", "999"])
    assert found is not None
    assert found.path == ""
    assert "1.234, value = \"number(price, ',')\" or 1234.0, value = \"number(price, '.')\"" in found.remark


@pytest.mark.parametrize("values", [["dear", "cheap"], ["12,90", "dear", "cheap"], ["NULL"]])
def test_words_are_no_numbers(values: list[str]) -> None:
    assert numbers_of("price", values) is None


def test_a_price_with_a_decimal_comma_is_read_by_the_shape_that_is_printed(tmp_path: Path) -> None:
    rows = [
        "user;item;time;price",
        "ann;a;2024-05-01;12,90",
        "bob;b;2024-05-01;1.234,56",
        "bob;c;2024-05-01;on request",
    ]
    found = guessed(tmp_path, *rows, *(rows[1:3] * 2))
    assert [event.value for event in events(found)[:3]] == [12.9, 1234.56, None]
    assert found.settings["events"]["value"] == "when(not price in ['on request'], number(price, ','))"
    assert not found.unread  # it is meant; another word would be counted
    said = (
        "price has a decimal comma: '12,90' is read as 12.9; price: 'on request' 1 is no number, and left out"
    )
    assert said in found.remarks


@pytest.mark.parametrize(
    ("values", "path"),
    [
        (["12.90", "on request", 7], "when(not price in ['on request'], price)"),
        (["12,90", "auf Anfrage"], "when(not price in ['auf Anfrage'], number(price, ','))"),
        (["1"] + ["on request"] * 4, "when(not price in ['on request'], price)"),
        (["5", "it's free", "call"] * 2, "when(not price in ['it\\'s free', 'call'], price)"),
    ],
)
def test_words_among_numbers_are_named_and_give_nothing(values: list[Any], path: str) -> None:
    found = numbers_of("price", values)
    assert found is not None
    assert found.path == path
    read = compile_shape(
        ShapeSettings(events={"user_id": "'u'", "item_id": "'i'", "ts": "'2024-05-01'", "value": path})
    )
    mapped = [read.of_object({"price": value}, RawMessage(b"")) for value in values]
    assert all(len(one) == 1 for one in mapped)  # and nothing is left out of it
    numbers = [one.value for [one] in mapped if isinstance(one, Interaction) and one.value is not None]
    assert len(numbers) == sum(any(c.isdigit() for c in str(value)) for value in values)
    assert "no number, and left out" in found.remark


@pytest.mark.parametrize(
    "values",
    [
        ["1", "on request", "on request", "on request", "on request", "on request"],
        ["1", "2", *(f"word {chr(97 + n)}" for n in range(9))],
        ["5", "ab 12,90", "ab 7,00"],
    ],
)
def test_a_column_that_is_rather_of_words_has_no_numbers(values: list[str]) -> None:
    assert numbers_of("price", values) is None


@pytest.mark.parametrize(
    ("row", "event"),
    [
        ("7,31,2.5,1714559460", ("7", "31", "rating", AT, 2.5)),
        ("ann,tea,2024-05-01 10:31:00", ("ann", "tea", "view", AT, None)),
        ("2024-05-01T10:31:00Z,ann,tea,buy", ("ann", "tea", "buy", AT, None)),
        ("ann,1,addtocart,1714559460000", ("ann", "1", "addtocart", AT, None)),
    ],
)
def test_columns_without_names_that_can_be_nothing_else_are_told(
    tmp_path: Path, row: str, event: tuple[Any, ...]
) -> None:
    found = guessed(tmp_path, row, row)
    first, _ = events(found)
    assert (first.user_id, first.item_id, first.event_type, first.ts, first.value) == event
    assert "no header: column_" in found.remarks[0]


@pytest.mark.parametrize(
    "row",
    ["7,31,2.5", "7,31,99,1714559460", "7,31,4,5,1714559460", "1.5,31,1714559460", "7,1714559460,1714559461"],
)
def test_others_are_refused_with_the_option_that_names_them(tmp_path: Path, row: str) -> None:
    with pytest.raises(ConfigError, match="the file has no header") as refused:
        guessed(tmp_path, row, row)
    assert "columns = ['user_id', 'item_id', 'value'" in refused.value.fix


def changes(*rows: dict[str, Any]) -> Guess:
    bodies = [{"op": "c", "before": None, "after": row, "source": {}, "ts_ms": 1} for row in rows]
    return of_messages(
        [RawMessage(json.dumps(body).encode(), timestamp=1_700_000_000_000) for body in bodies]
    )


@pytest.mark.parametrize(
    ("column", "value", "unit", "ts"),
    [
        ("created_at", 19_844, "days", 1714521600.0),
        ("order_date", 19_844, "days", 1714521600.0),
        ("created_at", 1_714_559_460_000_000, "us", AT),
        ("placed", 1_714_559_460_000, "ms", AT),
        ("placed", 1_714_559_460_000_000, "us", AT),
    ],
)
def test_times_of_debezium_are_told_by_their_values(column: str, value: int, unit: str, ts: float) -> None:
    rows = [{"id": n, "customer_id": 7, "product_id": 8, column: value} for n in (1, 2)]
    found = changes(*rows)
    assert ([event.ts for event in events(found)], found.unit) == ([ts, ts], unit)


def test_of_two_times_without_a_name_none_is_taken_and_both_are_told() -> None:
    row = {"customer_id": 7, "product_id": 8, "placed": 1_714_559_460_000, "shipped": 1_714_559_470_000}
    found = changes(row, row)
    assert "by its values, placed or shipped may be the time: set ts = one of them" in found.remarks
    assert [event.ts for event in events(found)] == [1_700_000_000.0] * 2


def test_a_barcode_is_no_time() -> None:
    found = changes(*({"customer_id": 7, "product_id": 8, "ean": 1_714_559_460_123} for _ in (1, 2)))
    assert [event.ts for event in events(found)] == [1_700_000_000.0] * 2


def test_a_user_0_is_told_with_what_keeps_it(tmp_path: Path) -> None:
    rows = ("user_id,item_id,timestamp", "0,0,1714559460", "1,5,1714559461", "0,7,1714559462")
    found = guessed(tmp_path, *rows)
    assert (
        '2 records of a user 0 are left out as nobody\'s; if ids begin with 0, add nobody = ["-1"]'
        in found.remarks
    )
    named = guessed(tmp_path, rows[0], "0,0,1714559460", "ann,5,1714559461")
    assert not named.remarks


def test_a_catalogue_is_guessed_as_one(tmp_path: Path) -> None:
    found = guessed(tmp_path, "sku,name,price", "a,Shoe,9.5")
    assert [(one.item_id, one.title, one.price) for one in found.records if isinstance(one, Item)] == [
        ("a", "Shoe", 9.5)
    ]
