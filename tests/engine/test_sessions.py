"""A session ends by the producer's id where there is one, else by a gap in event time."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of, rows_of
from stream_rec.engine.state import create
from stream_rec.kernels import candidates
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.schemas.columns import IdColumn
from tests.engine.worlds import click, engine


def session(e: Engine, user: str) -> list[str]:
    """Items of the user's current session, newest first."""
    query = create.query(e.settings)
    row = int(rows_of(e.state.users, IdColumn.of([user]))[0])
    candidates.read_context(e.state, query, row, False)
    codes = query.session_codes[: query.n_session[0]]
    return [name_of(e.state.items, int(c) & ROW_MASK) for c in codes]


def test_a_pause_as_long_as_the_gap_ends_a_session() -> None:
    e = engine(session_gap_seconds=100.0)
    click(e, ("u", "a", 1000.0), ("u", "b", 1100.0))
    assert session(e, "u") == ["b", "a"]
    click(e, ("u", "c", 1200.1))
    assert session(e, "u") == ["c"]


def test_a_session_belongs_to_one_user() -> None:
    e = engine(session_gap_seconds=100.0)
    click(e, ("u", "a", 1000.0), ("v", "x", 1010.0), ("u", "b", 1020.0), ("v", "y", 5000.0))
    assert session(e, "u") == ["b", "a"]
    assert session(e, "v") == ["y"]


def test_an_event_that_comes_late_does_not_end_a_session() -> None:
    e = engine(session_gap_seconds=100.0)
    click(e, ("u", "a", 1000.0), ("u", "late", 10.0), ("u", "b", 1050.0))
    assert session(e, "u") == ["b", "late", "a"]


def test_the_producers_id_decides_where_there_is_one() -> None:
    e = engine(session_gap_seconds=100.0)
    click(e, ("u", "a", 1000.0), session="s1")
    click(e, ("u", "b", 9000.0), session="s1")
    assert session(e, "u") == ["b", "a"]
    click(e, ("u", "c", 9001.0), session="s2")
    assert session(e, "u") == ["c"]
    click(e, ("u", "d", 9002.0))
    assert session(e, "u") == ["d"], "an event without an id is not in a session that has one"
    click(e, ("u", "e", 9003.0))
    assert session(e, "u") == ["e", "d"]


def test_the_same_id_of_two_users_is_two_sessions() -> None:
    e = engine()
    click(e, ("u", "a", 1.0), ("v", "b", 2.0), session="s")
    assert session(e, "u") == ["a"]
    assert session(e, "v") == ["b"]


def test_what_follows_across_the_end_of_a_session_is_no_transition() -> None:
    e = engine(session_gap_seconds=100.0)
    for n in range(30):
        click(e, ("u", "a", 1000.0 * n), ("u", "b", 1000.0 * n + 500))
    assert not e.state.transitions.next_codes.any()
    click(e, ("u", "c", 29_600.0))
    assert np.count_nonzero(e.state.transitions.next_codes) == 1


def test_repeats_in_a_session_are_counted_and_kept_once() -> None:
    e = engine()
    click(e, *[("u", item, float(n)) for n, item in enumerate("abacab")])
    assert session(e, "u") == ["b", "a", "c"]
    assert e.state.neighbours.pushed[:3].tolist() == [1, 1, 1]
