"""Files that nobody's preset knows: what `shape guess` makes of them, and what it will not."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.guessing import guess_file
from stream_rec.offline.datasets.named import load_columns
from stream_rec.schemas.records import Interaction
from stream_rec.settings import DataSettings
from stream_rec.shapes.sampling import Guess

MAY_1ST = 1714521600.0
AT_1031 = MAY_1ST + 37_860


def guessed(folder: Path, text: str, name: str = "log.csv") -> Guess:
    path = folder / name
    path.write_text(text)
    return guess_file(path)


def events(found: Guess) -> list[Interaction]:
    return [one for one in found.records if isinstance(one, Interaction)]


def times_of(found: Guess) -> list[float]:
    return [one.ts for one in events(found)]


@pytest.mark.parametrize(
    ("columns", "row", "ts"),
    [
        ("date,time", "2024-05-01,10:31:00", AT_1031),
        ("date,time", "05/13/2024,10:31 AM", AT_1031 + 12 * 86_400),
        ("Datum,Uhrzeit", "01.05.2024,10:31", AT_1031),
        ("date,hour", "20240501,9", MAY_1ST + 9 * 3600),
        ("event_date,event_hour", "2024-05-01,10", MAY_1ST + 10 * 3600),
    ],
)
def test_a_day_and_its_time_in_two_columns_are_one_moment(
    tmp_path: Path, columns: str, row: str, ts: float
) -> None:
    found = guessed(tmp_path, f"customer,sku,{columns}\nann,x,{row}\n")
    assert times_of(found) == [ts]


def test_so_are_a_date_and_a_time_of_a_table(tmp_path: Path) -> None:
    day, clock = pl.Series([19844], dtype=pl.Date), pl.Series([37_860 * 10**9], dtype=pl.Time)
    table = pl.DataFrame({"customer": ["ann"], "sku": ["x"], "date": day, "time": clock})
    table.write_parquet(tmp_path / "log.parquet")
    assert times_of(guess_file(tmp_path / "log.parquet")) == [AT_1031]


@pytest.mark.parametrize(
    ("text", "ts"),
    [
        ("Wed May 01 10:31:00 +0200 2024", AT_1031 - 7200),
        ('"Wed, 01 May 2024 10:31:00 GMT"', AT_1031),
        ('"May 1, 2024 10:31 AM"', AT_1031),
        ("2024-05-01 10:31:00 PM", AT_1031 + 43_200),
        ("20240501 10:31:00", AT_1031),
    ],
)
def test_the_forms_in_which_times_are_written_are_told(tmp_path: Path, text: str, ts: float) -> None:
    assert times_of(guessed(tmp_path, f"user,item,time\nann,x,{text}\n")) == [ts]


@pytest.mark.parametrize("text", ["2024-05-01 10:00:00 EST", "31/05/24 10:31", "1. Mai 2024"])
def test_a_time_of_no_form_that_is_known_is_no_log_without_times(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="time looks like a time") as refused:
        guessed(tmp_path, f"user,item,time\nann,x,{text}\n")
    assert "unit" in refused.value.fix


def test_dates_without_a_time_of_day_are_said_to_be_dates(tmp_path: Path) -> None:
    found = guessed(tmp_path, "user,item,date\nann,x,2024-05-01\nann,y,2024-05-02\n")
    assert "all of a day is one second" in found.note


RATINGS = "userId,movieId,rating,timestamp\n1,2,4.0,964982703\n"
TAGS = "userId,movieId,tag,timestamp\n9,3,funny,1445714994\n"


def folder_of(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{folder.name}/{file.name}")
    return path


def read(path: Path) -> list[Any]:
    return load_columns(str(path), DataSettings()).select("user_id", "item_id", "event_type", "value").rows()


def test_the_log_among_files_of_other_forms_is_read_and_no_other(tmp_path: Path) -> None:
    files = {"README.txt": "About\n", "movies.csv": "movieId,title\n2,Heat\n", "tags.csv": TAGS}
    folder = folder_of(tmp_path / "ml", {**files, "ratings.csv": RATINGS})
    for path in (folder, zipped(folder)):
        found = guess_file(path)
        assert found.settings == {"preset": "movielens", "files": "ratings.csv"}
        assert "tags.csv" in found.remark
        assert read(path) == [("1", "2", "rating", 4.0)]


def test_logs_of_several_shapes_have_to_be_named(tmp_path: Path) -> None:
    clicks, buys = "1,2014-04-07T10:51:09.277Z,214536502,0\n", "1,2014-04-07T10:51:09.277Z,214536502,5,1\n"
    folder = folder_of(tmp_path / "y", {"clicks.dat": clicks, "buys.dat": buys})
    with pytest.raises(ConfigError, match=r"several shapes: buys\.dat, clicks\.dat"):
        guess_file(folder)


def test_parts_of_which_one_has_the_header_are_refused(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path / "s", {"aa": "user_id,item_id,ts\nann,x,1714559460\n", "ab": "bob,y,1714559461\n"}
    )
    with pytest.raises(ConfigError, match="no header") as refused:
        guess_file(folder)
    assert "join them" in refused.value.fix


def test_folders_that_are_partitions_are_columns(tmp_path: Path) -> None:
    log = "user_id,item_id,ts\nann,x,1714559460\n"
    names = [f"event_type={kind}/dt=2024-05-01/part-0.csv" for kind in ("buy", "view")]
    folder = folder_of(tmp_path / "hive", dict.fromkeys(names, log))
    assert [event[2] for event in read(folder)] == ["buy", "view"]


@pytest.mark.parametrize(
    ("header", "row", "event"),
    [
        ("user_id;item_id;timestamp;action", "12.0;x;1714559460;buy", ("12", "x", "buy", None)),
        ("user_id,item_id,time,behavior_type", "ann,x,1714559460,buy", ("ann", "x", "buy", None)),
        ("user_id,item_id,timestamp,user_id", "ann,x,1714559460,eve", ("ann", "x", "view", None)),
        ("User-ID,ISBN,Book-Rating", "7,034545104X,5", ("7", "034545104X", "rating", 5.0)),
        ("user_id,item_id,timestamp,rating", "ann,x,1714559460,4", ("ann", "x", "view", 4.0)),
    ],
)
def test_by_guess_and_without_a_word_a_file_is_read_alike(
    tmp_path: Path, header: str, row: str, event: tuple[Any, ...]
) -> None:
    found = guessed(tmp_path, f"{header}\n{row}\n")
    assert [(one.user_id, one.item_id, one.event_type, one.value) for one in events(found)] == [event]
    assert read(tmp_path / "log.csv") == [event]


def test_a_time_in_another_unit_than_most_is_none_of_1970(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,ts\na,x,1714559460000\nb,x,1714559461000\nc,x,1714559462\n")
    assert [event[0] for event in read(path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("columns", "rows", "types"),
    [
        ("user_id,item_id,timestamp,clicked", ["a,x,1714559460,True", "a,y,1714559461,False"], ["click"]),
        ("user,item,time,purchased", ["a,x,1714559460,yes", "a,y,1714559461,no"], ["purchase", "view"]),
        ("user,item,time,is_click,is_like", ["a,x,1714559460,1,1", "a,y,1714559461,0,0"], ["like"]),
    ],
)
def test_columns_of_yes_and_no_are_what_was_done(
    tmp_path: Path, columns: str, rows: list[str], types: list[str]
) -> None:
    found = guessed(tmp_path, "\n".join([columns, *rows]))
    assert [one.event_type for one in events(found)] == types
    assert [event[2] for event in read(tmp_path / "log.csv")] == types


@pytest.mark.parametrize(
    ("columns", "row", "event"),
    [
        ("Kundennummer;Artikelnummer;Zeitpunkt;Aktion", "7;A;01.05.2024 10:31;vu", ("7", "A", "vu", None)),
        ("identifiant_client;référence_produit;date", "7;A;2024-05-01", ("7", "A", "view", None)),
        ("id_usuario,id_producto,fecha,accion", "7,A,2024-05-01,vista", ("7", "A", "vista", None)),
        ("пользователь,товар,время", "7,A,2024-05-01", ("7", "A", "view", None)),
        (
            "user_id:token\tbusiness_id:token\tstars:float\tdate:float",
            "7\tA\t4\t1714559460",
            ("7", "A", "rating", 4.0),
        ),
        ("session,aid,ts,type", "0,A,1714559460,1", ("0", "A", "1", None)),
        ("orderId,customer,sku,time", "1,7,A,1714559460", ("7", "A", "purchase", None)),
    ],
)
def test_columns_are_found_by_what_people_call_them(
    tmp_path: Path, columns: str, row: str, event: tuple[Any, ...]
) -> None:
    found = guessed(tmp_path, f"{columns}\n{row}\n")
    assert [(one.user_id, one.item_id, one.event_type, one.value) for one in events(found)] == [event]


@pytest.mark.parametrize(
    "line",
    [
        '{"reviewerID": "a", "asin": "x", "overall": 5.0, "unixReviewTime": 1391040000, "reviewTime": "01 30, 2014"}',
        "{'reviewerID': 'a', 'asin': 'x', 'overall': 5.0, 'unixReviewTime': 1391040000, 'summary': \"Don't\"}",
    ],
)
def test_reviews_of_amazon_are_read_as_json_and_as_python(tmp_path: Path, line: str) -> None:
    [event] = events(guessed(tmp_path, f"{line}\n", "reviews_Beauty_5.json"))
    assert (event.user_id, event.item_id, event.event_type, event.value, event.ts) == (
        "a",
        "x",
        "rating",
        5.0,
        1391040000.0,
    )


def test_ids_in_a_list_are_an_event_each(tmp_path: Path) -> None:
    found = guessed(
        tmp_path, '{"customer_id": "a", "time": 1714559460, "products": ["x", "y"]}\n', "log.jsonl"
    )
    assert [one.item_id for one in events(found)] == ["x", "y"]


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"BZh91AY&SY\x00", "packed by bzip2"), (b"Report of May\nuser,item,time\n", "above the header")],
)
def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "log.csv").write_bytes(data)
    with pytest.raises(ConfigError, match=words):
        guess_file(tmp_path / "log.csv")


def test_a_data_set_that_was_saved_again_is_read_as_it_is_now(tmp_path: Path) -> None:
    header = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID"
    found = guessed(tmp_path, f"{header}\n1,85123A,6,2010-12-01 08:26:00,2.5,17850.0\n")
    assert found.settings == {"preset": "online-retail-1", "unit": "auto"}
    assert read(tmp_path / "log.csv") == [("17850", "85123A", "purchase", 2.5)]
    table = pl.DataFrame({"userId": [7], "movieId": [2], "rating": [4.0], "timestamp": [964982703]})
    table.write_parquet(tmp_path / "ratings.parquet")
    assert read(tmp_path / "ratings.parquet") == [("7", "2", "rating", 4.0)]
