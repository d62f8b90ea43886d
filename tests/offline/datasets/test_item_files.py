"""A catalogue in a file: what each row says, and what is wrong with it."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.item_files import (
    ItemRow,
    columns_of,
    left_out,
    mute_hint,
    read_items,
    separator_of,
)
from stream_rec.schemas.hints import hint
from stream_rec.schemas.records import Item
from stream_rec.settings import IngestSettings

RULES = IngestSettings()


def rows(path: Path, text: str | bytes = "") -> list[ItemRow]:
    if text:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_items(path, RULES))


def test_a_table_has_fields_by_their_names_and_attributes_by_all_others(tmp_path: Path) -> None:
    text = (
        "SKU,Name,Brand,price,categories,available_until,colour,sizes,vegan,code\n"
        'a,Shoe,acme,9.5,shoes|sale,2026-02-01,red,"[41, 42.5]",true,007\n'
        "b,,,,,,,,,\n"
    )
    first, second = rows(tmp_path / "c.csv", text)
    assert first.item == Item(
        "a",
        "Shoe",
        ("shoes", "sale"),
        price=9.5,
        owner="acme",
        available_until=1_769_904_000.0,
        attributes={"colour": "red", "sizes": (41, 42.5), "vegan": True, "code": "007"},
    )
    assert (second.item, second.number) == (Item("b"), 2)


@pytest.mark.parametrize(
    ("column", "cells", "available"),
    [
        ("availability", ("in stock", "OUT_OF_STOCK", "preorder"), (True, False, True)),
        ("In_Stock", ("true", "0", ""), (True, False, True)),
        ("active", ("yes", "no", "y"), (True, False, True)),
    ],
)
def test_a_column_of_words_for_the_stock_or_of_yes_and_no_hides_items(
    tmp_path: Path, column: str, cells: tuple[str, ...], available: tuple[bool, ...]
) -> None:
    lines = "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))
    found = rows(tmp_path / "c.csv", f"sku,{column}\n{lines}")
    assert [row.item and row.item.available for row in found] == list(available)
    assert not any(row.item and row.item.attributes for row in found)


def test_a_column_that_only_looks_so_is_an_attribute_with_a_hint(tmp_path: Path) -> None:
    [row] = rows(tmp_path / "c.csv", "sku,availability,stock\na,ships in 24 h,5\n")
    assert row.item == Item("a", attributes={"availability": "ships in 24 h", "stock": 5})
    assert 'available = "(stock > 0)"' in mute_hint("stock", 5)
    assert 'available = "(not \\"Sold out\\" == \'true\')"' in mute_hint("Sold out", True)
    assert not mute_hint("colour", "red")


def test_a_member_of_a_line_that_no_item_has_is_told(tmp_path: Path) -> None:
    [row] = rows(tmp_path / "c.jsonl", '{"item_id": "a", "in_stock": false}\n')
    assert [(part.field, part.reason) for part in row.unread] == [("in_stock", "unknown_field")]


def test_lines_are_records_as_on_the_wire(tmp_path: Path) -> None:
    lines = [
        json.dumps({"item_id": 17, "attributes": {"a": [1]}}),
        "{",
        json.dumps({"title": "x"}),
        json.dumps({"item_id": "z", "price": "dear"}),
        json.dumps({"item_id": "h", "hidden": True, "available_until": "soon"}),
    ]
    found = rows(tmp_path / "c.jsonl.gz", gzip.compress("\n".join(lines).encode()))
    assert found[0].item == Item("17", attributes={"a": (1,)})
    assert [row.error.reason if row.error else "" for row in found] == [
        "",
        "not_json",
        "missing_field",
        "",
        "",
    ]
    assert [(flaw.field, flaw.reason) for flaw in found[3].flaws] == [("price", "wrong_type")]
    assert found[4].item == Item("h", available=False)


def test_parquet_keeps_lists_and_times(tmp_path: Path) -> None:
    pl.DataFrame(
        {
            "id": [1, 2],
            "tags": [["x", "y"], None],
            "available_from": [datetime(2026, 1, 1, tzinfo=UTC), None],
            "released": [date(1955, 1, 1), None],
            "weight": [0.5, None],
        }
    ).write_parquet(tmp_path / "c.parquet")
    first, second = rows(tmp_path / "c.parquet")
    attributes = {"released": -473_385_600.0, "weight": 0.5}
    assert first.item == Item("1", tags=("x", "y"), available_from=1_767_225_600.0, attributes=attributes)  # type: ignore[arg-type]
    assert second.item == Item("2")


def test_a_file_without_ids_is_refused_with_the_columns_it_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column of ids among name, price"):
        rows(tmp_path / "c.csv", "name,price\nx,1\n")
    assert columns_of(["id", "item_id"]) == {"item_id": "item_id", "id": "attributes.id"}
    with pytest.raises(ConfigError, match="cannot tell the format"):
        rows(tmp_path / "c.xml", "<x/>")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_what_separates_the_columns_is_told_by_the_first_rows(tmp_path: Path, separator: str) -> None:
    cells = [["sku", "title", "price"], ["a", '"a, b; c | d\te"', '"8,35"'], ["b", '"two\nlines"', "12.00"]]
    file = tmp_path / "feed.csv"
    found = rows(file, "".join(separator.join(row) + "\n" for row in cells))
    assert separator_of(file) == separator
    assert [row.item and row.item.title for row in found] == ["a, b; c | d\te", "two\nlines"]


def test_a_file_that_may_be_separated_in_two_ways_has_to_be_told_which(tmp_path: Path) -> None:
    file = tmp_path / "feed.csv"
    file.write_text("id,a;b\n1,2;3\n")
    with pytest.raises(ConfigError) as error:
        separator_of(file)
    assert error.value.fix == "--separator ',' or --separator ';'"
    assert (separator_of(file, ";"), separator_of(file, "tab")) == (";", "\t")
    with pytest.raises(ConfigError, match="one character"):
        separator_of(file, "::")
    file.write_text("id\n1\n")
    assert [row.item for row in rows(file)] == [Item("1")]


def test_a_row_that_is_longer_than_the_header_is_told_in_words_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "feed.csv"
    with pytest.raises(ConfigError) as error:
        rows(file, "id,title\n1,a\n2,b,c,d\n")
    assert "a row has more cells than the header" in str(error.value)
    assert "--separator ';'" in str(error.value.fix)
    assert "truncate" not in str(error.value)


def test_prices_with_a_decimal_comma_are_read_where_all_of_them_show_it(tmp_path: Path) -> None:
    found = rows(
        tmp_path / "feed.csv", "sku;price\na;8,35\nb;1.234,50\nc;12,00 €\nd;on request\ne;9,10\nf;\n"
    )
    assert [row.item and row.item.price for row in found] == [8.35, 1234.5, 12.0, None, 9.1, None]
    part = left_out("price", "wrong_type", found[3].raw)
    assert (part.detail, part.is_told) == ("'on request' is no number", True)


def test_a_price_that_may_be_two_numbers_is_shown_with_the_line_that_reads_it(tmp_path: Path) -> None:
    [row] = rows(tmp_path / "feed.csv", "sku;price\na;1,234\n")
    assert [flaw.field for flaw in row.flaws] == ["price"]
    part = left_out("price", "wrong_type", row.raw)
    said = part.detail
    assert said.startswith("'1,234' is no number") and part.is_told
    assert """in a shape: price = "number(price, ',')" or price = "number(price, '.')\"""" in said


@pytest.mark.parametrize(
    ("field", "said"),
    [("available", "true or false"), ("hidden", "true or false"), ("available_from", "seconds since 1970")],
)
def test_what_decides_whether_an_item_may_be_shown_has_a_hint_of_its_own(field: str, said: str) -> None:
    raw = json.dumps({"item_id": "a", field: "maybe"}).encode()
    assert said in hint("items", "wrong_type", f"`{field}` cannot be 'maybe'", raw)
    assert hint("items", "wrong_type", "'dear' is no number", raw) == ""
