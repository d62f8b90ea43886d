"""A session ends by the producer's ids where event and session have one, else by a gap in event time."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of, rows_of
from stream_rec.engine.state import create
from stream_rec.kernels import candidates
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.schemas.columns import IdColumn
from tests.engine.holding import parts
from tests.engine.worlds import click, engine


def session(e: Engine, user: str) -> list[str]:
    """Items of the user's current session, newest first."""
    query = create.query(e.settings)
    row = int(rows_of(e.state.users, IdColumn.of([user]))[0])
    candidates.read_context(*parts(e, query)[:2], row, False)
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


def test_an_event_without_an_id_joins_the_open_session() -> None:
    """A purchase that a server reports does not know the browser's session."""
    e = engine(session_gap_seconds=100.0)
    click(e, ("u", "a", 1000.0), session="s1")
    click(e, ("u", "b", 1010.0), event_type="purchase")
    click(e, ("u", "c", 1020.0), session="s1")
    assert session(e, "u") == ["c", "b", "a"]
    click(e, ("u", "d", 1030.0), session="s2")
    assert session(e, "u") == ["d"]


def test_an_event_without_an_id_joins_no_session_that_the_gap_has_ended() -> None:
    e = engine(session_gap_seconds=100.0)
    click(e, ("u", "a", 1000.0), session="s1")
    click(e, ("u", "b", 1101.0))
    assert session(e, "u") == ["b"]


def test_a_session_without_an_id_takes_the_first_that_comes() -> None:
    e = engine(session_gap_seconds=100.0)
    click(e, ("u", "a", 1000.0))
    click(e, ("u", "b", 1010.0), session="s1")
    assert session(e, "u") == ["b", "a"]
    click(e, ("u", "c", 5000.0), session="s1")
    assert session(e, "u") == ["c", "b", "a"], "within one id a pause ends nothing"
    click(e, ("u", "d", 5010.0), session="s2")
    assert session(e, "u") == ["d"]
    click(e, ("v", "a", 1000.0))
    click(e, ("v", "b", 1200.0), session="s1")
    assert session(e, "v") == ["b"]


def test_what_belonged_together_is_learned_together() -> None:
    """A purchase between two clicks, with and without the session's id: the same is learned but for the id."""
    with_id, without = engine(train_sample=0.0), engine(train_sample=0.0)
    for n in range(20):
        at, user = 1000.0 * n, f"u{n}"
        for e, of_purchase in ((with_id, f"s{n}"), (without, "")):
            click(e, (user, "phone", at), session=f"s{n}")
            click(e, (user, "case", at + 5.0), session=of_purchase, event_type="purchase")
            click(e, (user, "cable", at + 9.0), session=f"s{n}")
    assert with_id.similar("phone", 5) == without.similar("phone", 5)
    assert with_id.digest() == without.digest()


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
