"""Who was active lately, for whoever writes slates again."""

from __future__ import annotations

from stream_rec.engine.learning.active import active_rows, user_ids
from tests.engine.worlds import click, engine


def test_the_active_are_those_with_a_recent_event_latest_first() -> None:
    e = engine()
    click(e, ("old", "i", 100.0), ("edge", "i", 900.0), ("new", "i", 1000.0), ("old", "i", 50.0))
    assert user_ids(e, active_rows(e, 100.0)) == ["new", "edge"]
    assert user_ids(e, active_rows(e, 1e9)) == ["new", "edge", "old"]


def test_the_forgotten_and_the_evicted_are_not_active() -> None:
    e = engine(max_users=16)
    click(e, *[(f"u{n}", "i", 100.0 + n) for n in range(20)])
    e.forget_user("u19")
    assert user_ids(e, active_rows(e, 1e9)) == [f"u{n}" for n in range(18, 3, -1)]


def test_rows_that_were_given_up_meanwhile_are_left_out() -> None:
    e = engine()
    click(e, ("a", "i", 1.0), ("b", "i", 2.0))
    rows = active_rows(e, 1e9)
    e.forget_user("b")
    assert user_ids(e, rows) == ["a"]


def test_an_engine_that_knows_nobody_has_nobody_active() -> None:
    assert len(active_rows(engine(), 1e9)) == 0
