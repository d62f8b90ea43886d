"""`items` loads a catalogue, shows what Kafka has of an item, and deletes."""

from __future__ import annotations

import json
from pathlib import Path

from stream_rec.bus.topics import ensure_topics
from stream_rec.cli.items import Loaded
from stream_rec.offline.datasets.item_files import read_items
from stream_rec.offline.datasets.shaped_items import read_shaped_items
from stream_rec.settings import IngestSettings, Settings, ShapeSettings
from tests.cli.running import addresses, run

CATALOGUE = """item_id,title,price,tags,available_until,colour
a,Shoe,9.5,x|y,,red
b,Sock,dear,,,
,No id,,,,
c,Hat,,,soon,
"""


def test_a_dry_run_says_what_would_be_refused_and_needs_no_broker(tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_text(CATALOGUE)
    shown = run("items", "load", str(file), "--dry-run")
    assert shown.returncode == 0, shown.stderr
    said = shown.stdout
    assert "c.csv: 2 of 4 items would be published" in said
    assert "attributes.colour 1, price 1, tags 1, title 2" in said
    assert "refused: 1 rows (missing_field" in said and "the first in row 3" in said
    assert "refused: 1 rows (wrong_type" in said and "the first in row 4" in said
    assert "left out of 1 items: price (wrong_type" in said and "the first in row 2" in said
    file.write_text("id,in_stock,stock\na,false,0\nb,true,5\n")
    stocks = run("items", "load", str(file), "--dry-run").stdout
    assert "attributes.stock 2, available=false 1" in stocks
    assert (
        'stock: an attribute, which hides no item: say it in a shape, available = "(stock > 0)"'
        in " ".join(stocks.split())
    )
    file.write_text("id,in_stock\na,false\nb,no\n")
    empty = run("items", "load", str(file), "--dry-run")
    told = " ".join((empty.stdout + empty.stderr).split())
    assert "warning: all 2 items are not available or hidden: nothing of them will be shown" in told
    file.write_text("id;in_stock;price\na;true;8,35\nb;maybe;7.5\n")
    feed = " ".join(run("items", "load", str(file), "--dry-run").stdout.split())
    assert "c.csv: 2 of 2 items would be published, columns separated by ';'" in feed
    assert (
        "'8,35' is no number; by number(path, ',') 8.35; in a shape: price = \"number(price, ',')\"" in feed
    )
    assert "an id is text" not in feed
    file.write_text("item_id,title\n,x\n")
    assert run("items", "load", str(file), "--dry-run").returncode == 1


def test_a_hint_is_kept_from_what_says_itself_what_to_do_and_not_from_words_that_look_alike(
    tmp_path: Path,
) -> None:
    row = {"item_id": "a", "available": "is no number"}
    [read] = read_items(_lines(tmp_path, row), IngestSettings())
    loaded = Loaded()
    loaded.take(read)
    [fault] = loaded.faults.values()
    assert "true or false, or a word of product feeds" in fault.said
    shape = ShapeSettings(items={"item_id": "item_id", "available": "(available > 0)"})
    [read] = read_shaped_items(_lines(tmp_path, row), shape, "mine", IngestSettings())
    told = Loaded()
    told.take(read)
    [fault] = told.faults.values()
    assert "if that means yes: (available in ['is no number'] or available > 0)" in fault.said
    assert "product feeds" not in fault.said


def _lines(folder: Path, row: dict[str, str]) -> Path:
    file = folder / "c.jsonl"
    file.write_text(json.dumps(row) + "\n")
    return file


def test_items_are_loaded_shown_and_deleted(tansu_settings: Settings, tmp_path: Path) -> None:
    ensure_topics(tansu_settings.bus)
    file, where = tmp_path / "c.csv", addresses(tansu_settings)
    file.write_text(CATALOGUE)
    loaded = run("items", "load", str(file), "--json", environment=where)
    assert loaded.returncode == 0, loaded.stderr
    figures = json.loads(loaded.stdout)
    assert (figures["rows"], figures["published"], figures["refused"]) == (4, 2, 2)
    shown = json.loads(run("items", "show", "a", "--json", environment=where).stdout)
    assert (shown["record"]["price"], shown["record"]["attributes"]) == (9.5, {"colour": "red"})
    assert "title: Shoe" in run("items", "show", "a", environment=where).stdout
    assert run("items", "delete", "a", "b", environment=where).stdout.strip() == "2 items deleted"
    assert json.loads(run("items", "show", "a", "--json", environment=where).stdout)["removed"]
    assert run("items", "show", "nothing", environment=where).returncode == 1
