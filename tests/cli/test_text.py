"""Tables and prose fit the terminal, and nothing is cut."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.cli.options import shown_bytes
from stream_rec.cli.text import Column, plain, table, wrapped

COLUMNS = (Column("", is_number=True), Column("item"), Column("score", is_number=True), Column("why"))


def test_what_fits_stands_side_by_side() -> None:
    rows = [("1", "a", "0.900", "neighbours, from z"), ("10", "bb", "0.5", "popularity")]
    assert table(COLUMNS, rows, 80) == [
        "    item  score  why",
        " 1  a     0.900  neighbours, from z",
        "10  bb      0.5  popularity",
    ]


def test_what_does_not_fit_stands_below_under_its_name() -> None:
    one, other = str(UUID(int=1)), str(UUID(int=2))
    assert table(COLUMNS, [("1", one, "0.900", f"transitions, from {other}")], 80) == [
        "   item                                  score  why",
        f"1  {one}  0.900",
        f"     why: transitions, from {other}",
    ]


def test_one_long_cell_does_not_widen_its_column() -> None:
    long = "x" * 60
    lines = table(COLUMNS, [("1", "a", "0.9", "new"), ("2", long, "0.8", "new")], 80)
    assert lines == [
        "   item  score  why",
        "1  a       0.9  new",
        f"2  {long}",
        "     score: 0.8",
        "     why: new",
    ]


def test_a_cell_that_is_longer_than_a_line_is_whole() -> None:
    long = "x" * 200
    assert table(COLUMNS, [("1", long, "0.8", "new")], 80)[1:3] == ["1", "     item:"]
    assert table(COLUMNS, [("1", long, "0.8", "new")], 80)[3] == long


def test_prose_is_broken_between_words_and_stays_in_its_column() -> None:
    columns = (Column("setting"), Column("meaning", is_prose=True))
    assert table(columns, [("bus.group", "one two three four five six seven eight")], 40) == [
        "setting    meaning",
        "bus.group  one two three four five six",
        "           seven eight",
    ]


def test_a_command_in_backticks_is_not_broken() -> None:
    text = "stop it, then run `stream-rec up --write` again"
    assert wrapped(text, 30) == ["stop it, then run", "`stream-rec up --write` again"]


CELLS = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=60)


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=8), st.integers(20, 120))
def test_nothing_is_lost_and_only_what_cannot_fit_is_longer_than_a_line(
    rows: list[tuple[str, ...]], wide: int
) -> None:
    lines = table(COLUMNS, rows, wide)
    words = " ".join(lines).split()
    for cell in (cell for row in rows for cell in row if cell):
        assert cell in words
    for line in lines:
        assert len(line) <= wide or (len(line.split()) <= 2 and max(map(len, line.split())) > wide - 20)


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "a\u202eb"])
def test_control_characters_do_not_reach_the_terminal(text: str) -> None:
    assert plain(text).isprintable()


def test_a_message_that_is_no_text_is_told_by_its_length_and_first_bytes() -> None:
    assert shown_bytes('{"a":\t"é"}\r\n'.encode()) == '{"a":\t"é"}\r\n'
    assert shown_bytes(b"M\xfcller") == "M\\xfcller"
    assert shown_bytes(b"\0\0\0\0\1\6ann") == "9 bytes that are no text: 00 00 00 00 01 06 61 6e 6e"
    assert shown_bytes(bytes(30)).endswith(" 00...")
