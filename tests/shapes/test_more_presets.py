"""Presets without a sample of the real thing at hand: made-up records in the form that their makers document."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pytest

from stream_rec.offline.datasets.named import load_columns
from stream_rec.offline.datasets.reading import Reading
from stream_rec.offline.datasets.recognised import look
from stream_rec.schemas.records import Impression, Interaction, Item
from stream_rec.settings import DataSettings, ShapeSettings
from stream_rec.shapes.mapper import compile_shape
from stream_rec.shapes.messages import Mapped, RawMessage, Refused, Removed
from stream_rec.shapes.presets import presets

TS = 1700000000.25
ISO = "2023-11-14T22:13:20.250Z"


def mapped(preset: str, body: Any, key: bytes = b"k") -> list[Mapped]:
    value = body if isinstance(body, bytes) else json.dumps(body).encode()
    return compile_shape(ShapeSettings(preset=preset)).records(RawMessage(value, key, {}, 1_700_000_001_000))


SNOWPLOW = [""] * 131
SNOWPLOW[15], SNOWPLOW[6], SNOWPLOW[124], SNOWPLOW[126] = (
    "duid",
    "e-1",
    "2023-11-14 22:13:20.250",
    "snowplow_ecommerce_action",
)
SNOWPLOW[123] = "s-1"
SNOWPLOW[58] = json.dumps({"schema": "iglu:x", "data": {"schema": "iglu:y", "data": {"type": "add_to_cart"}}})
SNOWPLOW[52] = json.dumps(
    {
        "schema": "iglu:contexts",
        "data": [
            {
                "schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/user/jsonschema/1-0-0",
                "data": {"id": "x"},
            },
            {
                "schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/product/jsonschema/1-0-0",
                "data": {"id": "sku-1"},
            },
        ],
    }
)
LIVE: list[tuple[str, Any, list[Any]]] = [
    (
        "snowplow-tsv",
        "\t".join(SNOWPLOW).encode(),
        [Interaction("duid", "sku-1", "cart", TS, "e-1", "s-1")],
    ),
    (
        "posthog",
        {
            "uuid": "p-1", "event": "Product Viewed", "distinct_id": "ann", "timestamp": ISO,
            "properties": {"$session_id": "s", "product_id": 17, "price": 9.5},
        },
        [Interaction("ann", "17", "view", TS, "p-1", "s", 9.5)],
    ),
    ("posthog", {"uuid": "p", "event": "$pageview", "distinct_id": "ann", "timestamp": ISO, "properties": {}},
        ["other_type"]),
    (
        "mixpanel",
        {"event": "Order Completed", "properties": {"time": 1700000000, "distinct_id": "ann", "$insert_id": "m",
         "products": [{"product_id": "a"}, {"product_id": "b"}]}},
        [Interaction("ann", "a", "purchase", 1.7e9, "m"), Interaction("ann", "b", "purchase", 1.7e9, "m")],
    ),
    (
        "matomo",
        {"idVisit": "77", "visitorId": "abc", "serverTimestamp": 1700000009, "actionDetails": [
            {"type": "action", "timestamp": 1700000000, "productViewSku": "sku-1", "productViewPrice": 5},
        ]},
        [Interaction("abc", "sku-1", "view", 1.7e9, None, "77", 5.0)],
    ),
    (
        "matomo",
        {"idVisit": "77", "visitorId": "abc", "serverTimestamp": 1700000009, "actionDetails": [
            {"type": "ecommerceOrder", "timestamp": 1700000000, "itemDetails": [{"itemSKU": "a"}, {"itemSKU": "b"}]},
        ]},
        [Interaction("abc", one, "purchase", 1.7e9, None, "77") for one in ("a", "b")],
    ),
    ("ksqldb", {"USER_ID": 5, "ITEM_ID": "i", "TS": 1700000000250}, [Interaction("5", "i", "view", TS)]),
    (
        "google-retail",
        {"eventType": "detail-page-view", "visitorId": "v", "eventTime": ISO,
            "productDetails": [{"product": {"id": "p"}}]},
        [Interaction("v", "p", "view", TS)],
    ),
    (
        "google-retail",
        {"eventType": "search", "visitorId": "v", "eventTime": ISO, "attributionToken": "t",
         "productDetails": [{"product": {"id": "p"}}, {"product": {"id": "q"}}]},
        [Impression("t", "v", TS, ("p", "q"))],
    ),
    (
        "metarank",
        {"event": "item", "id": "x", "timestamp": "1700000000250", "item": "i",
         "fields": [{"name": "title", "value": "Hat"}, {"name": "genres", "value": ["a", "b"]},
             {"name": "price", "value": 3.5}]},
        [Item("i", "Hat", ("a", "b"), TS, price=3.5)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "body", "expected"), LIVE)
def test_a_message_becomes_its_records(preset: str, body: Any, expected: list[Any]) -> None:
    assert [one.reason if isinstance(one, Refused) else one for one in mapped(preset, body)] == expected


MIND = "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782\tN55689-1 N35729-0 N1-1\n"
FILES: list[tuple[str, str, str, list[tuple[str, str, str, float, float | None]]]] = [
    ("amazon-2018", "r.csv", "0143026860,A1V3TRGWOMA8LC,5.0,1352073600\n", [
        ("A1V3TRGWOMA8LC", "0143026860", "rating", 1352073600.0, 5.0)]),
    ("taobao", "UserBehavior.csv", "1,2268318,2520377,pv,1511544070\n1,2268319,2520377,fav,1511544071\n", [
        ("1", "2268318", "view", 1511544070.0, None), ("1", "2268319", "wishlist", 1511544071.0, None)]),
    ("otto", "train.jsonl", '{"session":7,"events":[{"aid":15,"ts":1659304800025,"type":"clicks"},'
        '{"aid":16,"ts":1659304900025,"type":"orders"}]}\n', [
        ("7", "15", "click", 1659304800.025, None), ("7", "16", "purchase", 1659304900.025, None)]),
    ("mind", "behaviors.tsv", MIND, [
        ("U13740", "N55689", "click", 1573463158.0, None), ("U13740", "N1", "click", 1573463158.0, None)]),
    ("lastfm-360k", "plays.tsv", f"{'0' * 40}\t3bd73256\tBetty \"Blowtorch\t2137\n", [
        ("0" * 40, "3bd73256", "play", 1e9, 2137.0)]),
    ("gowalla", "checkins.txt", "0\t2010-10-19T23:55:27Z\t30.23\t-97.79\t22847\n", [
        ("0", "22847", "checkin", 1287532527.0, None)]),
    ("criteo", "attribution.tsv",
        "timestamp\tuid\tcampaign\tconversion\tclick\tcost\n0\t20073966\t22589171\t0\t0\t0.1\n"
        "2\t28426333\t884761\t1\t1\t0.5\n", [("28426333", "884761", "purchase", 2.0, 0.5)]),
    ("recbole", "ml.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t4\t881250949\n", [
        ("1", "2", "view", 881250949.0, 4.0)]),
    ("online-retail", "retail.csv", "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
        "489434,85048,15CM LIGHTS,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom\n"
        "C489449,22087,PAPER,-12,2009-12-01 10:33:00,2.95,16321.0,Australia\n", [
        ("13085", "85048", "purchase", 1259653500.0, 6.95)]),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "name", "text", "expected"), FILES)
def test_a_file_is_recognised_and_read(
    preset: str,
    name: str,
    text: str,
    expected: list[tuple[str, str, str, float, float | None]],
    tmp_path: Path,
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert look(path).preset == preset
    assert rows(path) == expected


def rows(path: Path, reading: Reading = Reading()) -> list[Any]:  # noqa: B008 - frozen
    log = load_columns(str(path), DataSettings(), None, reading)
    return log.select("user_id", "item_id", "event_type", "ts", "value").rows()


MINE = Reading(
    "mine", "auto", {"mine": ShapeSettings(events={"user_id": "who", "item_id": "what.id", "ts": "at"})}
)


def test_parquet_with_nested_columns_and_dates(tmp_path: Path) -> None:
    at = datetime(2023, 11, 14, 22, 13, 20)
    table = pl.DataFrame({"who": [17.0, None], "what": [{"id": 5}, {"id": 6}], "at": [at, at]})
    table.write_parquet(tmp_path / "log.parquet")
    assert rows(tmp_path / "log.parquet", MINE) == [("17", "5", "view", 1.7e9, None)]


def test_an_avro_file(tmp_path: Path) -> None:
    schema = {
        "type": "record", "name": "E", "fields": [
            {"name": "who", "type": "string"},
            {"name": "what", "type": {"type": "record", "name": "W", "fields": [{"name": "id", "type": "long"}]}},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        ],
    }  # fmt: skip
    with (tmp_path / "log.avro").open("wb") as file:
        fastavro.writer(file, schema, [{"who": "u", "what": {"id": 5}, "at": 1_700_000_000_250}])
    assert rows(tmp_path / "log.avro", MINE) == [("u", "5", "view", TS, None)]


SHEET = """<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
<row r="1">{head}</row><row r="2">{row}</row></sheetData></worksheet>"""
PARTS = {
    "[Content_Types].xml": '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<?xml version="1.0"?><workbook '
    'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<?xml version="1.0"?><Relationships '
    'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
    'Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
}


def cell(at: str, value: str | float) -> str:
    if isinstance(value, str):
        return f'<c r="{at}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{at}"><v>{value}</v></c>'


def test_a_workbook(tmp_path: Path) -> None:
    """Its numbers are floats: ids lose the point."""
    head = ("Invoice", "StockCode", "Quantity", "InvoiceDate", "Price", "Customer ID")
    row = ("489434", 85048.0, 12.0, "2009-12-01 07:45:00", 6.95, 13085.0)
    path = tmp_path / "online_retail_II.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in PARTS.items():
            archive.writestr(name, text)
        filled = SHEET.format(
            head="".join(cell(f"{chr(65 + n)}1", name) for n, name in enumerate(head)),
            row="".join(cell(f"{chr(65 + n)}2", value) for n, value in enumerate(row)),
        )
        archive.writestr("xl/worksheets/sheet1.xml", filled)
    assert look(path).preset == "online-retail"
    assert rows(path) == [("13085", "85048", "purchase", 1259653500.0, 6.95)]


def test_the_same_log_in_seconds_and_in_milliseconds_is_the_same(tmp_path: Path) -> None:
    for unit, factor in (("s", 1), ("ms", 1000)):
        lines = [f"{(1433221332 + n) * factor},{n % 3},view,{n % 5}," for n in range(50)]
        (tmp_path / f"{unit}.csv").write_text(
            "timestamp,visitorid,event,itemid,transactionid\n" + "\n".join(lines)
        )
    assert rows(tmp_path / "s.csv") == rows(tmp_path / "ms.csv")


def test_items_come_from_a_table_that_debezium_watches_and_go_with_it() -> None:
    shape = ShapeSettings(
        framing="debezium",
        items={"item_id": "id", "title": "name", "price": "price", "attributes.colour": "colour",
               "removed": "@envelope.op == 'd'"},
    )  # fmt: skip
    mapper = compile_shape(shape)
    row = {"id": 5, "name": "Hat", "price": "9.90", "colour": "red"}
    created = json.dumps({"before": None, "after": row, "op": "c"}).encode()
    deleted = json.dumps({"before": row, "after": None, "op": "d"}).encode()
    assert mapper.records(RawMessage(created)) == [Item("5", "Hat", price=9.9, attributes={"colour": "red"})]
    assert mapper.records(RawMessage(deleted)) == [Removed("5")]


def test_every_preset_can_be_compiled() -> None:
    for preset in presets().values():
        if not preset.refused and preset.name not in ("confluent", "avro", "steam"):
            compile_shape(ShapeSettings(preset=preset.name))
