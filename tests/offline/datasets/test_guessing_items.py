"""A catalogue that nobody's preset knows: the shape by which its rows become items."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.guessing import guess_file
from stream_rec.offline.datasets.shaped_items import read_shaped_items
from stream_rec.schemas.records import Item
from stream_rec.settings import IngestSettings, Settings
from stream_rec.shapes.sampling import Guess


def guessed(folder: Path, text: str, name: str = "feed.csv") -> Guess:
    path = folder / name
    path.write_text(text)
    return guess_file(path)


def test_a_product_feed_is_a_shape_of_items_that_reads_it(tmp_path: Path) -> None:
    found = guessed(
        tmp_path,
        "sku;title;category;brand;price;in_stock;stock;code\n"
        "a;Shoe, red;shoes|sale;acme;8,35;true;3;007\nb;Sock;socks;;1.234,50;false;0;\n",
    )
    assert found.settings["items"] == {
        "item_id": "sku",
        "title": "title",
        "tags": "split(category, '|')",
        "available": "in_stock",
        "price": "number(price, ',')",
        "owner": "brand",
        "attributes.stock": "number(stock, '.')",
        "attributes.code": "code",
    }
    assert (found.unit, len(found.records)) == ("", 2)
    shape = Settings.model_validate(tomllib.loads(found.toml("feed"))).shapes["feed"]
    first, second = read_shaped_items(tmp_path / "feed.csv", shape, "feed", IngestSettings())
    assert first.item == Item(
        "a",
        "Shoe, red",
        ("shoes", "sale"),
        price=8.35,
        owner="acme",
        attributes={"stock": 3.0, "code": "007"},
    )
    assert second.item is not None
    assert (second.item.available, second.item.price) == (False, 1234.5)


def test_columns_are_found_by_what_others_call_them(tmp_path: Path) -> None:
    found = guessed(
        tmp_path,
        "Artikelnummer;Bezeichnung;Preis;Marke;Kategorie;Bestand\n"
        "1;Tee;1,50;Acme;Küche > Tee;0\n2;Tasse;12,00;Acme;Küche > Geschirr > Tassen;4\n",
    )
    assert found.settings["items"] == {
        "item_id": "Artikelnummer",
        "title": "Bezeichnung",
        "tags": "split(Kategorie, ' > ')",
        "available": "(Bestand > 0)",
        "price": "number(Preis, ',')",
        "owner": "Marke",
    }
    first, second = found.records
    assert isinstance(first, Item) and isinstance(second, Item)
    assert (first.available, second.available) == (False, True)
    assert second.tags == ("Küche", "Geschirr", "Tassen")


@pytest.mark.parametrize(
    ("column", "values", "available"),
    [
        ("Lagerbestand", ("3", "0"), (True, False)),
        ("Lager", ("1", "0"), (True, False)),
        ("Verfügbar", ("ja", "Nein"), (True, False)),
        ("verfügbarkeit", ("auf Lager", "ausverkauft"), (True, False)),
        ("Bestand", ("auf Lager", "0"), (True, False)),
        ("Disponibilité", ("oui", "non"), (True, False)),
        ("existencias", ("sí", "no"), (True, False)),
        ("Voorraad", ("ja", "nee"), (True, False)),
        ("Giacenza", ("12", "-1"), (True, False)),
        ("Dostępność", ("tak", "nie"), (True, False)),
        ("Bestand", ("1.250", "0"), (True, False)),
        ("Bestand", ("1.250,5", "0"), (True, False)),
    ],
)
def test_a_column_of_stock_is_what_says_whether_items_are_available(
    tmp_path: Path, column: str, values: tuple[str, str], available: tuple[bool, bool]
) -> None:
    found = guessed(
        tmp_path, f"sku;title;price;{column}\na;Tee;1;{values[0]}\nb;Hut;2;{values[1]}\nc;Rock;2;\n"
    )
    one, two, none = (one for one in found.records if isinstance(one, Item))
    assert (one.available, two.available, none.available) == (*available, True)
    if values == ("1", "0"):  # others may have more
        assert found.settings["items"]["available"] == "(Lager > 0)"


@pytest.mark.parametrize(
    ("values", "available", "said"),
    [
        (("5", "sold out", "0"), (True, False, False), ""),
        (("5", "ausverkauft", "sold out"), (True, False, False), ""),
        (("10+", "> 5", "0"), (True, True, False), ""),
        (("5", "discontinued", "pre-order"), (True, False, True), ""),
        (
            ("5", "on backorder", "0"),
            (True, True, False),
            "Bestand: 'on backorder' 1 says neither yes nor no: such items are available",
        ),
        (
            ("Auf Lager", "Vorbestellung", "ausverkauft"),
            (True, True, False),
            "Bestand: 'vorbestellung' 1 says neither yes nor no: such items are available",
        ),
        (("1.250,5", "sold out", "soon"), (True, False, True), "Bestand: 'soon' 1 says neither"),
        (("5", "soon", "gone"), (True, True, True), "Bestand: 'soon' 1, 'gone' 1 say neither"),
    ],
)
def test_words_among_pieces_of_stock_say_yes_no_or_nothing_and_that_is_said(
    tmp_path: Path, values: tuple[str, str, str], available: tuple[bool, bool, bool], said: str
) -> None:
    lines = [f"{at};Tee;1;{value}" for at, value in zip("abc", values, strict=True)]
    found = guessed(tmp_path, "\n".join(["sku;title;price;Bestand", *lines, ""]))
    assert tuple(one.available for one in found.records if isinstance(one, Item)) == available
    assert any(remark.startswith(said) for remark in found.remarks) if said else not found.remarks
    shape = Settings.model_validate(tomllib.loads(found.toml("feed"))).shapes["feed"]
    (tmp_path / "next.csv").write_text("sku;title;price;Bestand\nd;Hut;2;neues Wort\n")
    [later] = read_shaped_items(tmp_path / "next.csv", shape, "feed", IngestSettings())
    assert later.item is None  # a word that was not there is not guessed


def test_prices_on_request_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    found = guessed(
        tmp_path, "sku;title;price\na;Tee;12,90\nb;Hut;on request\nc;Rock;7\nd;Schal;on request\n"
    )
    assert [one.price for one in found.records if isinstance(one, Item)] == [12.9, None, 7.0, None]
    assert any(
        remark.endswith("price: 'on request' 2 is no number, and left out") for remark in found.remarks
    )


def test_a_column_of_stock_with_words_of_its_own_is_an_attribute_and_that_is_said(tmp_path: Path) -> None:
    found = guessed(tmp_path, "sku;title;price;Bestand\na;Tee;1;viel\nb;Hut;2;wenig\n")
    assert found.settings["items"]["attributes.Bestand"] == "Bestand"
    assert any("available = \"(Bestand == 'viel')\"" in remark for remark in found.remarks)


def test_lines_of_json_with_members_of_others_are_items_too(tmp_path: Path) -> None:
    line = '{"sku": "a", "name": "Tea", "category": ["drinks", "hot"], "unit price": 2.5}\n'
    found = guessed(tmp_path, line, "feed.jsonl")
    assert found.records == [Item("a", "Tea", ("drinks", "hot"), price=2.5)]


@pytest.mark.parametrize(
    "text",
    [
        "sku,price,when\na,1,2024-05-01\nb,2,2024-05-02\n",  # one field beside the id
        "sku,title,price\na,Tea,1\na,Tea,1\n",  # the same id again: orders, say
        "title,price,brand\nTea,1,acme\n",
    ],
)
def test_what_has_neither_users_nor_the_columns_of_a_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="no field looks like"):
        guessed(tmp_path, text)
