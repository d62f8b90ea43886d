"""Logs in files: every format gives the same rows, from any position, a chunk at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets import files
from stream_rec.offline.datasets.files import FileSource
from stream_rec.offline.datasets.mapping import ColumnMapping
from stream_rec.offline.datasets.rows import good_rows, to_batches, to_interactions
from stream_rec.schemas.records import Interaction

ROWS: list[dict[str, Any]] = [
    {"user_id": "ann", "item_id": "007", "ts": 1.5, "event_type": "view", "session_id": "s1"},
    {"user_id": "bob", "item_id": "é,1", "ts": 2.0, "event_type": "buy", "session_id": "s2", "value": 9.5},
    {
        "user_id": "ann",
        "item_id": 'say "x"',
        "ts": 1_700_000_000.125,
        "event_type": "view",
        "session_id": "s1",
    },
]
EVENTS = [Interaction(**row) for row in ROWS]
NAMES = ["user_id", "item_id", "ts", "event_type", "session_id", "value"]


def as_csv(rows: list[dict[str, Any]], names: list[str] = NAMES, line_end: str = "\n") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    data = io.BytesIO()
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(data)
    return data.getvalue()


def interactions(
    path: Path, mapping: ColumnMapping | None = None, start: int = 0
) -> list[Interaction | None]:
    chunks = FileSource(path, mapping or ColumnMapping()).chunks(start)
    return [event for chunk in chunks for event in to_interactions(chunk.log)]


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("log.csv", as_csv(ROWS)),
        ("log.csv", as_csv(ROWS, line_end="\r\n")),
        ("log.csv", b"\xef\xbb\xbf" + as_csv(ROWS)),
        ("log.csv", as_csv(ROWS).rstrip()),
        ("log.csv.gz", gzip.compress(as_csv(ROWS))),
        ("log.csv.gz", gzip.compress(as_csv(ROWS)[:40]) + gzip.compress(as_csv(ROWS)[40:])),
        ("log.jsonl", as_json_lines(ROWS)),
        ("log.jsonl", as_json_lines(ROWS).replace(b"\n", b"\n\n")),
        ("log.ndjson.gz", gzip.compress(as_json_lines(ROWS))),
        ("log.parquet", as_parquet(ROWS)),
    ],
)
def test_every_format_gives_the_same_events(tmp_path: Path, name: str, data: bytes) -> None:
    assert interactions(written(tmp_path / name, data)) == EVENTS


def test_a_tsv_has_tabs(tmp_path: Path) -> None:
    path = written(tmp_path / "log.tsv", b"user\titem\ttime\nann\tx,y\t7\n")
    assert interactions(path) == [Interaction("ann", "x,y", "view", 7.0)]


def test_columns_go_by_their_usual_names_or_by_those_given(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", b"who;item;when;stars;device\nann;x;1700000000500;4;phone\n")
    mapping = ColumnMapping(
        user_id="who", ts="when", ts_unit="ms", value="stars", context=("device",), separator=";"
    )
    event = Interaction("ann", "x", "view", 1_700_000_000.5, value=4.0, context={"device": "phone"})
    assert interactions(path, mapping) == [event]


def test_without_users_the_session_is_the_user(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", b"ts,session_id,item_id\n1,s9,x\n")
    assert interactions(path) == [Interaction("s9", "x", "view", 1.0, session_id="s9")]


@pytest.mark.parametrize(
    "text",
    ["2023-11-14T22:13:20Z", "2023-11-14 22:13:20", "2023-11-15T00:13:20+02:00", "2023-11-14T22:13:20.000"],
)
def test_iso_times_are_utc_unless_they_say_otherwise(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "log.csv", f"user_id,item_id,ts\nann,x,{text}\n".encode())
    assert interactions(path, ColumnMapping(ts_unit="iso")) == [Interaction("ann", "x", "view", 1.7e9)]


def test_a_parquet_file_knows_its_times_and_numbers(tmp_path: Path) -> None:
    times = pl.Series([1.7e15, 1.7e15]).cast(pl.Datetime("us"))
    table = pl.DataFrame({"user_id": [1, 2], "item_id": [10, None], "ts": times})
    table.write_parquet(tmp_path / "log.parquet")
    assert interactions(tmp_path / "log.parquet") == [Interaction("1", "10", "view", 1.7e9), None]


def test_json_context_comes_through(tmp_path: Path) -> None:
    rows = [{"user_id": 7, "item_id": "x", "ts": 1, "context": {"new": True, "width": 2.5}}]
    (event,) = interactions(written(tmp_path / "log.jsonl", as_json_lines(rows)))
    assert event == Interaction("7", "x", "view", 1.0, context={"new": True, "width": 2.5})


def test_bad_rows_keep_their_place(tmp_path: Path) -> None:
    good = b'{"user_id":"a","item_id":"x","ts":1}\n'
    lines = [b'{"user_id":"a","item_id":"x"}\n', b"nonsense\n", b'{"user_id":["a"],"item_id":"x","ts":1}\n']
    lines += [
        b'{"user_id":"a","item_id":"x","ts":1,"context":{"deep":{}}}\n',
        b'{"user_id":"","item_id":"x","ts":1}\n',
    ]
    events = interactions(written(tmp_path / "log.jsonl", good + b"".join(lines) + good))
    assert [event is None for event in events] == [False, True, True, True, False, True, False]


def test_reading_starts_at_any_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"user_id": "ann", "item_id": f"i{n}", "ts": float(n)} for n in range(1000)]
    monkeypatch.setattr(files, "PARQUET_CHUNK_ROWS", 64)
    for name, data in (
        ("a.csv", as_csv(rows)),
        ("a.jsonl", as_json_lines(rows)),
        ("a.parquet", as_parquet(rows)),
    ):
        source = FileSource(written(tmp_path / name, data))
        for start in (0, 1, 63, 64, 999, 1000, 2000):
            chunks = list(source.chunks(start))
            items = [item for chunk in chunks for item in chunk.log["item_id"]]
            assert items == [f"i{n}" for n in range(start, 1000)]
            assert [chunk.first for chunk in chunks][:1] == ([start] if start < 1000 else [])
            assert all(0 <= chunk.fraction_before < chunk.fraction <= 1 for chunk in chunks)


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("log.csv", b"user_id,item_id\na,x\n", "no column for ts"),
        ("log.csv", b"user_id,item_id,ts\na,x,1,2\n", "cannot read"),
        ("log.csv", b"user_id,item_id,ts\n\xff,x,1\n", "cannot read"),
        ("log.csv.gz", gzip.compress(as_csv(ROWS) * 100)[:-20], "cannot read"),
        ("log.parquet", b"PAR1 not really", "cannot read"),
        ("log.jsonl", b"not json at all\n", "JSON object"),
        ("log.xlsx", b"", "format"),
    ],
)
def test_a_file_that_is_no_log_is_an_error_that_names_it(
    tmp_path: Path, name: str, data: bytes, what: str
) -> None:
    path = written(tmp_path / name, data)
    with pytest.raises(ConfigError, match=what) as error:
        interactions(path)
    assert name in str(error.value)


def test_a_named_column_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", as_csv(ROWS))
    with pytest.raises(ConfigError, match="no column 'stars' for value; it has user_id"):
        interactions(path, ColumnMapping(value="stars"))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        interactions(tmp_path / "nowhere.csv")


def test_a_file_is_another_one_when_its_rows_or_their_reading_change(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", as_csv(ROWS))
    before = FileSource(path).identity
    assert FileSource(path).identity == before
    assert FileSource(path, ColumnMapping(ts_unit="ms")).identity != before
    written(path, as_csv(ROWS[:2]))
    assert FileSource(path).identity != before


def test_good_rows_become_batches_at_consecutive_offsets(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", as_csv([*ROWS, {"user_id": "", "item_id": "x", "ts": 1}]))
    log = pl.concat(good_rows(chunk.log) for chunk in FileSource(path).chunks())

    first, second = to_batches(log, 2, start=10)

    assert (first.span.start, first.span.next, second.span.start, second.span.next) == (10, 12, 12, 13)
    assert first.users.to_list() == ["ann", "bob"]
    assert second.items.to_list() == ['say "x"']
    assert second.broker_ts.tolist() == [1_700_000_000_125]
    assert (first.event_types, first.sessions.to_list()) == (["view", "buy"], ["s1", "s2"])
    assert (str(first.values.tolist()), first.event_ids.to_list()) == ("[nan, 9.5]", ["", ""])
