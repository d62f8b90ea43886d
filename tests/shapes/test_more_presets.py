"""Presets whose samples are made up in the form that their makers document."""

from __future__ import annotations

import json
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
from tests.shapes.test_live import SAMPLES, TS, message
from tests.workbook import write_workbook

ISO = "2023-11-14T22:13:20.250Z"


def mapped(preset: str, samples: str, n: int) -> list[Mapped]:
    return compile_shape(ShapeSettings(preset=preset)).records(message(samples, n))


def event(user: str, item: str, kind: str, event_id: str | None, **more: Any) -> Interaction:
    return Interaction(user, item, kind, **{"ts": TS, "event_id": event_id, **more})


def at(place: int) -> str:
    return f"t/2/7/{place}"


SECOND = {"ts": 1.7e9}
LIVE: list[tuple[str, int, list[Any]]] = [
    ("snowplow-tsv", 1, [event("duid", "sku-1", "cart", "e-1", session_id="s-1", value=9.5)]),
    ("snowplow-tsv", 2, [event("duid", one, "purchase", event_id, session_id="s-1", value=9.5)
                         for one, event_id in (("sku-1", "e-1"), ("sku-2", "e-1/1"))]),
    ("posthog", 1, [event("ann", "17", "view", "018bcf23-0000-7000-8000-000000000001", session_id="s", value=9.5)]),
    ("posthog", 2, [event("ann", one, "purchase", f"018bcf23-0000-7000-8000-000000000002{line}", session_id="s",
                          value=value) for one, line, value in (("a", "", 3.0), ("b", "/1", 4.0))]),
    ("mixpanel", 1, [event("ann", "a", "view", "m-1", value=3.0, **SECOND)]),
    ("mixpanel", 2, [event("ann", "a", "purchase", "m-2", value=3.0),
                     event("ann", "b", "purchase", "m-2/1", value=4.0)]),
    ("matomo", 1, [
        event("abc0123456789def", "sku-1", "view", at(1), session_id="77", value=5.0, **SECOND),
        event("abc0123456789def", "a", "purchase", at(2), session_id="77", value=3.0, ts=1_700_000_005.0),
        event("abc0123456789def", "b", "purchase", at(3), session_id="77", value=4.0, ts=1_700_000_005.0),
    ]),
    ("matomo", 2, [event("abc0123456789def", "sku-1", "view", at(0), value=5.0, **SECOND)]),
    ("matomo", 3, [event("abc0123456789def", "a", "cart", at(0), value=3.0, **SECOND),
                   event("abc0123456789def", "b", "cart", at(1), value=4.0, **SECOND)]),
    ("matomo", 4, [event("abc0123456789def", "a", "purchase", at(0), value=3.0, **SECOND)]),
    ("google-retail", 1, [event("v", "p", "view", at(0), session_id="s")]),
    ("google-retail", 2, [event("ann", "p", "purchase", at(0), value=2.0),
                          event("ann", "q", "purchase", at(1), value=1.0)]),
    ("google-retail", 3, [Impression("t", "v", TS, ("p", "q"))]),
    ("ksqldb", 1, [event("u-1", "i", "click", at(0))]),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "n", "expected"), LIVE)
def test_a_message_becomes_its_records(preset: str, n: int, expected: list[Any]) -> None:
    found = mapped(preset, preset, n)
    assert [one for one in found if not (isinstance(one, Refused) and one.is_meant)] == expected


def test_an_event_that_is_none_of_a_shop_is_left_out() -> None:
    body = {"uuid": "p", "event": "$pageview", "distinct_id": "ann", "timestamp": ISO, "properties": {}}
    [found] = compile_shape(ShapeSettings(preset="posthog")).records(RawMessage(json.dumps(body).encode()))
    assert isinstance(found, Refused)
    assert found.reason == "other_type"


def test_an_item_of_metarank_has_its_fields() -> None:
    fields = [
        {"name": "title", "value": "Hat"},
        {"name": "genres", "value": ["a", "b"]},
        {"name": "price", "value": 3.5},
    ]
    body = {"event": "item", "id": "x", "timestamp": "1700000000250", "item": "i", "fields": fields}
    found = compile_shape(ShapeSettings(preset="metarank")).records(RawMessage(json.dumps(body).encode()))
    assert found == [Item("i", "Hat", ("a", "b"), TS, price=3.5)]


FILES: list[tuple[str, str, list[tuple[str, str, str, float, float | None]]]] = [
    ("amazon-2018", "Luxury_Beauty.csv", [("A1V3TRGWOMA8LC", "0143026860", "rating", 1352073600.0, 5.0)]),
    ("taobao", "UserBehavior.csv", [
        ("1", "2268318", "view", 1511544070.0, None), ("1", "2268319", "wishlist", 1511544071.0, None)]),
    ("otto", "train.jsonl", [
        ("7", "15", "click", 1659304800.025, None), ("7", "16", "purchase", 1659304900.025, None)]),
    ("mind", "behaviors.tsv", [
        ("U13740", "N55689", "click", 1573463158.0, None), ("U13740", "N1", "click", 1573463158.0, None)]),
    ("lastfm-360k", "usersha1-artmbid-artname-plays.tsv", [("0" * 40, "3bd73256", "play", 1e9, 2137.0)]),
    ("gowalla", "loc-gowalla_totalCheckins.txt", [("0", "22847", "checkin", 1287532527.0, None)]),
    ("criteo", "criteo_attribution_dataset.tsv", [("28426333", "884761", "purchase", 2.0, 0.5)]),
    ("recbole", "ml-100k.inter", [("1", "2", "view", 881250949.0, 4.0)]),
    ("online-retail", "online_retail_II.csv", [("13085", "85048", "purchase", 1259653500.0, 6.95)]),
    ("online-retail-1", "OnlineRetail.csv", [("17850", "85123A", "purchase", 1291191960.0, 2.55)]),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "name", "expected"), FILES)
def test_a_file_is_recognised_and_read(
    preset: str, name: str, expected: list[tuple[str, str, str, float, float | None]]
) -> None:
    path = SAMPLES / preset / name
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


def test_a_workbook(tmp_path: Path) -> None:
    """Its numbers are floats: ids lose the point."""
    head = ("Invoice", "StockCode", "Quantity", "InvoiceDate", "Price", "Customer ID")
    row = ("489434", 85048.0, 12.0, "2009-12-01 07:45:00", 6.95, 13085.0)
    path = tmp_path / "online_retail_II.xlsx"
    write_workbook(path, [head, row])
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
