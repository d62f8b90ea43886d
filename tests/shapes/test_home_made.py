"""Files that nobody's preset knows: what `shape guess` makes of them, and what it will not."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.guessing import guess_file
from stream_rec.schemas.records import Interaction
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
