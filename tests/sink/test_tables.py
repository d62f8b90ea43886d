"""What is in the files: every field of every record, typed, and read by others."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import AsOf, Impression, Interaction, Item, Reason, Record, Slate, SlateItem
from stream_rec.schemas.topics import TOPICS, key_of
from stream_rec.settings import IngestSettings, SinkSettings
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.pending import rows_of
from stream_rec.sink.tables import TABLES, schema
from tests.sink.test_names import data_file

TS = 1_700_000_000.25
AT = datetime.fromtimestamp(TS, UTC)
PLACES = (
    SlateItem("a", 1.0, Reason("als", "b")),
    SlateItem("c", 0.5, Reason("popular"), by="pin", propensity=0.25),
)
RECORDS: dict[str, Record] = {
    "events": Interaction("Zoë", "a", "click", TS, "e1", "s1", 2.0, {"device": "tv", "n": 2**60}),
    "items": Item("a", "Lamp", ("red", "big"), TS, price=9.5, available_from=TS, attributes={"kind": "x"}),
    "impressions": Impression("slate", "u", TS, ("a", "c"), propensities=(1.0, 0.5)),
    "slates": Slate(AsOf("log", 1, 7, 12, TS), "u", "default", "slate", "m1", TS, PLACES),
}


def fetched(topic: str, *records: Record | None) -> Fetched:
    n = len(records)
    values = [None if record is None else encode(record) for record in records]
    keys = [b"gone" if record is None else key_of(record) for record in records]
    stamps = [int(TS * 1000) + i for i in range(n)]
    return Fetched(topic, 3, 0, 10, 10 + n, list(keys), list(values), list(range(10, 10 + n)), stamps)


def rows(topic: str, *records: Record | None) -> pl.DataFrame:
    frame, rejected = rows_of(fetched(topic, *records), IngestSettings())
    assert rejected == []
    assert dict(frame.schema) == schema(topic)
    return frame


@pytest.mark.parametrize("topic", TABLES)
def test_each_field_of_the_record_has_a_column(topic: str) -> None:
    assert set(TOPICS[topic].record.__struct_fields__) <= set(schema(topic))


@pytest.mark.parametrize("topic", TABLES)
def test_without_records_there_are_still_columns(topic: str) -> None:
    assert rows(topic).height == 0


def test_an_event() -> None:
    row = rows("events", RECORDS["events"]).row(0, named=True)
    assert row == {
        "user_id": "Zoë",
        "item_id": "a",
        "event_type": "click",
        "ts": AT,
        "event_id": "e1",
        "session_id": "s1",
        "value": 2.0,
        "context": f'{{"device":"tv","n":{2**60}}}',
        "slate_id": None,
        "topic": "events",
        "partition": 3,
        "offset": 10,
        "timestamp": AT,
    }


def test_many_events_are_read_in_bulk_as_one_by_one() -> None:
    events = [Interaction(f"u{i}", "a", "view", TS, value=i / 2 if i % 3 else None) for i in range(100)]
    together = rows("events", *events)
    assert together["value"].to_list() == [event.value for event in events]
    assert together["user_id"].to_list() == [event.user_id for event in events]


def test_an_item_and_its_removal() -> None:
    first, second = rows("items", RECORDS["items"], None).rows(named=True)
    assert (first["item_id"], first["removed"], first["tags"], first["price"]) == (
        "a",
        False,
        ["red", "big"],
        9.5,
    )
    assert (first["ts"], first["available_from"], first["available_until"]) == (AT, AT, None)
    assert first["attributes"] == '{"kind":"x"}'
    assert (second["item_id"], second["removed"], second["ts"]) == ("gone", True, None)


def test_an_impression() -> None:
    row = rows("impressions", RECORDS["impressions"]).row(0, named=True)
    assert (row["items"], row["propensities"]) == (["a", "c"], [1.0, 0.5])
    assert (row["scenario"], row["variant"], row["ts"]) == ("default", None, AT)


def test_a_slate() -> None:
    row = rows("slates", RECORDS["slates"]).row(0, named=True)
    place = {"item_id": "c", "score": 0.5, "reason": {"source": "popular", "item_id": None}}
    assert row["items"][1] == place | {"by": "pin", "propensity": 0.25, "team": None}
    assert row["as_of"] == {
        "log": "log",
        "partition": 1,
        "offset": 7,
        "broker_ts": 12,
        "event_ts": TS,
        "rules": None,
    }


@pytest.mark.parametrize("topic", TABLES)
def test_a_message_that_is_no_record_is_told_with_its_reason(topic: str) -> None:
    batch = fetched(topic, RECORDS[topic])
    batch.values[0] = b"{"
    frame, rejected = rows_of(batch, IngestSettings())
    assert frame.height == 0
    assert [(each.offset, each.raw) for each in rejected] == [(10, b"{")]


@pytest.mark.parametrize("topic", TABLES)
def test_duckdb_and_polars_read_what_is_written(topic: str, tmp_path: Path) -> None:
    folder = SinkFolder(SinkSettings(url=str(tmp_path)))
    file = data_file(topic=topic)
    frame = rows(topic, RECORDS[topic])
    folder.stage(file, frame)
    folder.publish(file)
    pattern = f"{tmp_path}/{topic}/**/*.parquet"
    assert pl.read_parquet(pattern, hive_partitioning=False).equals(frame)
    with duckdb.connect() as db:
        found = db.sql(f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = true)")
        assert found.columns == [*frame.columns, "date", "hour"]
        count = db.sql(f"SELECT count(*) FROM read_parquet('{pattern}') WHERE \"offset\" = 10")
        assert count.fetchall() == [(1,)]


def test_the_page_has_the_columns() -> None:
    script = Path(__file__).parents[2] / "scripts" / "sink_doc.py"
    stale = subprocess.run([sys.executable, str(script), "--check"], check=False, timeout=120)
    assert stale.returncode == 0, "docs/sink.md is stale: make docs"
