"""Blocks hold whole rows; quotes that mean nothing swallow nothing."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.offline.datasets.csv_rows import CsvRows

fields = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8).map(
    lambda text: text.replace(",", ";") if "\n" in text else text  # or its lines look like rows
)


def rows_of(data: bytes, block_bytes: int, separator: str = ",") -> tuple[bytes, CsvRows]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        rows = CsvRows(Path(file.name), separator, block_bytes)
        read = [block.data for block in rows.blocks()]
        assert all(read)
        return b"".join(read), rows


@settings(deadline=None)
@given(
    st.lists(st.tuples(fields, fields, fields), min_size=1),
    st.integers(1, 64),
    st.booleans(),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_proper_rows_stay_as_they_are(
    rows: list[tuple[str, str, str]], block_bytes: int, zipped: bool, quoting: int
) -> None:
    """Quotes, commas and line ends inside fields; blocks of any size."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows(rows)
    data = text.getvalue().encode()
    read, found = rows_of(gzip.compress(data) if zipped else data, block_bytes)
    assert (read, found.n_stray) == (data, 0)


GOOD = "4,5,6"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('1,5" pipe,3', ("1", '5" pipe', "3")),
        ('1,5" x 7" board,3', ("1", '5" x 7" board', "3")),
        ('1,"5 pipe,3', ("1", '"5 pipe', "3")),
        ('1,"x"y,3', ("1", '"x"y', "3")),
        ('1, "x,y" ,3', ("1", "x,y", "3")),
        ('1,2,"', ("1", "2", '"')),
        ('"1","2,2",3"', ("1", "2,2", '3"')),
        ('1,"tv,3', ("1", '"tv', "3")),
        ('1,tv",3', ("1", 'tv"', "3")),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 7, 100_000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_stray_quote_is_text_and_swallows_nothing(
    line: str, expected: tuple[str, ...], block_bytes: int, end: str
) -> None:
    data = end.join(["a,b,c", GOOD, line, GOOD, line, GOOD]).encode()

    read, found = rows_of(data, block_bytes)

    good = ("4", "5", "6")
    assert pl.read_csv(io.BytesIO(read), infer_schema=False).rows() == [good, expected, good, expected, good]
    assert (found.n_stray, found.first_stray) == (2, 3)


def test_a_quote_that_is_never_closed_is_given_up_after_some_lines() -> None:
    text = "a,b\n" + '1,"open\n' + "x\n" * 5000
    read, found = rows_of(text.encode(), 64)
    assert found.n_stray == 1
    assert read.count(b"\n") == 5002
