"""Logs as other tools write them: taken for what they are, and what cannot be read is said by cause."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stream_rec.offline.datasets import files
from stream_rec.offline.datasets.faults import MAX_CAUSES, Faults
from stream_rec.offline.datasets.files import FileSource
from stream_rec.offline.datasets.mapping import ColumnMapping, Form
from stream_rec.offline.datasets.reading import Reading, open_path
from stream_rec.offline.datasets.rows import good_rows, to_interactions
from stream_rec.offline.datasets.values import TsUnit

OCTOBER = 1_569_888_000.0


def rows(path: Path, mapping: ColumnMapping | None = None) -> tuple[pl.DataFrame, Faults]:
    faults, logs = Faults(), []
    for chunk in FileSource(path, mapping or ColumnMapping()).chunks():
        logs.append(chunk.log)
        faults.take(chunk.faults)
    return pl.concat(logs), faults


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(text)
    return path


def causes(faults: Faults) -> list[tuple[str, int]]:
    return [(what, cause.n) for what, cause in faults.causes.items()]


@pytest.mark.parametrize(
    "text",
    [
        "2019-10-01 00:00:00 UTC",
        "2019-10-01 00:00:00 GMT",
        "2019-10-01 00:00:00 utc",
        "2019-10-01T00:00:00Z",
        "2019-10-01 00:00:00 +0000 UTC",
        "2019-10-01 02:00:00 +0200 CEST",
        "2019-10-01T02:00:00+02:00[Europe/Paris]",
        "2019-10-01T00:00:00.000000000Z",
        "2019/10/01 00:00:00",
        "2019-10-01",
        "1569888000",
        "1569888000000",
        "1569888000000000",
        "1569888000000000000",
        "1.569888e9",
    ],
)
def test_a_time_is_what_it_looks_like(tmp_path: Path, text: str) -> None:
    log, faults = rows(csv(tmp_path, f"user_id,item_id,ts\nann,x,{text}\nbob,y, {text} \n"))
    assert log["ts"].to_list() == [OCTOBER, OCTOBER]
    assert causes(faults) == []


@pytest.mark.parametrize("text", ["2019-10-01 00:00:00 CET", "2019-10-01T00:00[Europe/Paris]", "01.10.2019"])
def test_a_time_that_could_be_two_is_not_guessed(tmp_path: Path, text: str) -> None:
    log, faults = rows(csv(tmp_path, f"user_id,item_id,ts\nann,x,2019-10-01\nann,x,{text}\n"))
    assert log["ts"].to_list() == [OCTOBER, None]
    (cause,) = faults.causes.values()
    assert (cause.n, cause.example, "UTC" in cause.hint) == (1, f"row 2: {text!r}", True)


@pytest.mark.parametrize(("unit", "expected"), [("s", None), ("ms", 1.5), ("ns", 1.5e-6)])
def test_a_unit_that_is_given_is_kept_to(tmp_path: Path, unit: TsUnit, expected: float | None) -> None:
    number = "1569888000000" if expected is None else "1500"
    log, faults = rows(csv(tmp_path, f"user_id,item_id,ts\nann,x,{number}\n"), ColumnMapping(ts_unit=unit))
    assert good_rows(log)["ts"].to_list() == ([] if expected is None else [expected])
    assert [what for what, _ in causes(faults)] == (
        ["ts cannot be read as seconds"] if expected is None else []
    )


def test_one_unit_holds_for_a_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log in milliseconds that begins in 1970 is not read in two units."""
    monkeypatch.setattr(files, "PARQUET_CHUNK_ROWS", 2)
    table = pl.DataFrame({"user_id": "u", "item_id": "i", "ts": [1.7e12, 1.7e12, 5_000.0, 1.7e12]})
    table.write_parquet(tmp_path / "log.parquet")
    log, _ = rows(tmp_path / "log.parquet")
    assert log["ts"].to_list() == [1.7e9, 1.7e9, 5.0, 1.7e9]


def test_times_that_are_no_numbers_do_not_decide_the_unit(tmp_path: Path) -> None:
    log, faults = rows(
        csv(tmp_path, f"user_id,item_id,ts\na,x,nan\nb,x,inf\nc,x,-inf\nd,x,inf\ne,x,{OCTOBER}\n")
    )
    assert log["ts"].to_list()[-1] == OCTOBER
    assert causes(faults) == [("ts cannot be read as seconds", 4)]


@pytest.mark.parametrize(("time", "n_notes"), [("20191001", 1), ("43739.0", 1), ("17", 1), ("1569888000", 0)])
def test_seconds_in_the_first_years_are_spoken_of(time: str, n_notes: int) -> None:
    frame, mapping = pl.DataFrame({"user_id": ["a"], "item_id": ["x"], "ts": [time]}), ColumnMapping()
    notes = list(Form.of(frame, mapping, "log").notes(mapping))
    assert len(notes) == n_notes
    told = ColumnMapping(ts_unit="s")
    assert not list(Form.of(frame, told, "log").notes(told))


def test_columns_of_lists_objects_and_bytes_are_bad_rows_and_no_traceback(tmp_path: Path) -> None:
    for odd in (pl.Series([["a"]]), pl.Series([{"id": 1}]), pl.Series([b"\xff"])):
        for field in ("user_id", "item_id", "ts", "value"):
            table = {"user_id": ["a"], "item_id": ["x"], "ts": [OCTOBER], "value": [1.0]} | {field: odd}
            pl.DataFrame(table).write_parquet(tmp_path / "log.parquet")
            _, faults = rows(tmp_path / "log.parquet")
            assert sum(n for _, n in causes(faults)) == 1, (field, odd)


def test_ids_of_decimals_have_no_point_where_they_are_whole(tmp_path: Path) -> None:
    table = {"user_id": [Decimal("17.00")], "item_id": [Decimal("1.50")], "ts": [OCTOBER]}
    pl.DataFrame(table).write_parquet(tmp_path / "log.parquet")
    log, _ = rows(tmp_path / "log.parquet")
    assert log.select("user_id", "item_id").row(0) == ("17", "1.50")


@pytest.mark.parametrize(
    ("number", "text"),
    [(17.0, "17"), (2e16, "20000000000000000"), (1e16, "10000000000000000"), (1.5, "1.5"), (-3.0, "-3")],
)
def test_an_id_that_became_a_float_is_whole_again(tmp_path: Path, number: float, text: str) -> None:
    pl.DataFrame({"user_id": [number], "item_id": [number], "ts": [1.0]}).write_parquet(
        tmp_path / "a.parquet"
    )
    (tmp_path / "a.jsonl").write_text(json.dumps({"user_id": number, "item_id": number, "ts": 1}) + "\n")
    for name in ("a.parquet", "a.jsonl"):
        log, _ = rows(tmp_path / name)
        assert log.select("user_id", "item_id").rows() == [(text, text)]


def test_text_ids_lose_their_point_only_where_all_have_one(tmp_path: Path) -> None:
    log, _ = rows(csv(tmp_path, "user_id,item_id,ts\n17.0,1.0,1\n,2.0,2\n18.0,x,3\n"))
    assert log["user_id"].to_list() == ["17", None, "18"]
    assert log["item_id"].to_list() == ["1.0", "2.0", "x"]


def test_integers_keep_all_their_digits(tmp_path: Path) -> None:
    big = 2**53 + 1
    row = {"user_id": big, "item_id": big, "ts": 1, "context": {"order": big}}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    log, _ = rows(tmp_path / "a.jsonl")
    (event,) = to_interactions(log)
    assert event is not None
    assert (event.user_id, event.context) == (str(big), {"order": big})


def test_blanks_after_the_comma_are_no_part_of_names_and_values(tmp_path: Path) -> None:
    log, faults = rows(csv(tmp_path, "user_id, item_id, ts, value\nann, x, 1, 4.5\n"))
    assert log.select("user_id", "item_id", "ts", "value").rows() == [("ann", "x", 1.0, 4.5)]
    assert causes(faults) == []


def test_what_cannot_be_read_is_told_by_field(tmp_path: Path) -> None:
    text = "user_id,item_id,ts,price\nann,x,1,3\n,x,2,3\nann,,3,3\nann,x,soon,3\nann,x,5,$3\nann,x,,3\n"
    log, faults = rows(csv(tmp_path, text))
    assert len(good_rows(log)) == 2
    assert causes(faults) == [
        ("user_id is empty", 1),
        ("item_id is empty", 1),
        ("ts is empty", 1),
        ("ts cannot be read as seconds", 1),
        ("value is no number and was left out", 1),
    ]
    assert all(cause.hint for cause in faults.causes.values())


def test_stray_quotes_are_told_and_cost_nothing(tmp_path: Path) -> None:
    log, faults = rows(csv(tmp_path, 'user_id,item_id,ts\nann,5" pipe,1\nbob,"tv,2\ncy,z,3\n'))
    assert good_rows(log)["item_id"].to_list() == ['5" pipe', '"tv', "z"]
    assert causes(faults) == [("a stray quote, read as text", 2)]


def test_an_id_has_no_line_end(tmp_path: Path) -> None:
    log, faults = rows(csv(tmp_path, 'user_id,item_id,ts\nann,"t\nv",1\nbob,tv,2\n'))
    assert good_rows(log)["item_id"].to_list() == ["tv"]
    assert causes(faults) == [("item_id cannot be read", 1)]


@pytest.mark.parametrize(
    ("context", "expected"),
    [({"deep": {}, "device": "phone"}, {"device": "phone"}), ([1], None), ({"n": float("nan")}, {})],
)
def test_a_context_is_taken_as_far_as_it_is_flat(
    tmp_path: Path, context: Any, expected: dict[str, Any] | None
) -> None:
    line = json.dumps({"user_id": "u", "item_id": "i", "ts": 1, "context": context})
    (tmp_path / "a.jsonl").write_text(line + "\n")
    log, _ = rows(tmp_path / "a.jsonl")
    told: list[str] = []
    (event,) = to_interactions(log, lambda field, _: told.append(field))
    assert event is not None
    assert (event.context, told) == (expected, ["context"])


def test_causes_are_bounded() -> None:
    faults = Faults()
    for n in range(1000):
        faults.add(f"cause {n}", "x")
    assert len(faults.causes) == MAX_CAUSES + 1
    assert sum(cause.n for cause in faults.causes.values()) == 1000


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_columns_that_the_caller_names_are_found_whatever_separates_them(
    tmp_path: Path, separator: str
) -> None:
    lines = ["kunde,was,wann", "ann,tea,2024-05-01T10:00:00Z"]
    log = csv(tmp_path, "".join(line.replace(",", separator) + "\n" for line in lines))
    mapping = ColumnMapping(user_id="kunde", item_id="was", ts="wann")
    [chunk] = open_path(log, mapping, Reading()).chunks()
    assert chunk.log["item_id"].to_list() == ["tea"]
