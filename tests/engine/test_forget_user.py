"""A user who is forgotten is a stranger, and what the user did can be told from nothing that is kept."""

from __future__ import annotations

import numpy as np

from stream_rec.schemas.records import Impression
from tests.engine.worlds import Record, click, engine, learn, random_log


def test_a_forgotten_user_is_a_stranger() -> None:
    e = engine()
    learn(e, random_log(2, 400, users=20, items=30))
    assert e.recommend(["u1"]).items != e.recommend(["stranger"]).items
    assert e.forget_user("u1")
    assert e.recommend(["u1"]).items == e.recommend(["stranger"]).items
    assert e.recommend(["u1"]).because == e.recommend(["stranger"]).because


def test_others_keep_what_they_had() -> None:
    e = engine()
    learn(e, random_log(2, 400, users=20, items=30))
    e.forget_user("u1")
    assert not e.forget_user("u1")
    assert (e.recommend(["u2"]).because[0]) != [""] * 20
    assert e.stats()["events_learned"] > 0


def test_forgetting_whom_nobody_knows_changes_nothing() -> None:
    e = engine()
    learn(e, random_log(2, 100, users=20, items=30))
    before = e.digest()
    assert not e.forget_user("nobody")
    assert not e.forget_user("")
    assert e.digest() == before


def test_who_comes_back_begins_anew() -> None:
    e = engine()
    click(e, *[("u", f"i{n}", float(n)) for n in range(10)])
    e.forget_user("u")
    click(e, ("u", "back", 100.0))
    ranked = e.recommend(["u"], k=20)
    assert set(ranked.because[0]) <= {"", "back"}
    row = int(np.flatnonzero(e.state.users.seen == 100.0)[0])
    assert e.state.histories.n_events[row] == 1


def test_rows_of_the_forgotten_are_used_again() -> None:
    e = engine(max_users=16)
    click(e, *[(f"u{n}", "i", float(n)) for n in range(16)])
    for n in range(8):
        e.forget_user(f"u{n}")
    click(e, *[(f"v{n}", "i", 100.0 + n) for n in range(8)])
    assert e.stats()["evicted_users"] == 0
    assert {e.forget_user(f"u{n}") for n in range(8, 16)} == {True}


def test_neighbours_do_not_follow_a_forgotten_user() -> None:
    e = engine()
    click(e, ("witness", "rare", 1.0), ("witness", "secret", 2.0), ("me", "rare", 3.0))
    assert e.recommend(["me"]).because[0][e.recommend(["me"]).items[0].index("secret")] == "rare"
    e.forget_user("witness")
    ranked = e.recommend(["me"])
    source = e.sources[ranked.sources[0][ranked.items[0].index("secret")]]
    assert source != "neighbours"


def test_impressions_of_a_forgotten_user_are_not_joined() -> None:
    """What is counted already stays; nothing more is added."""
    shown = Record("impressions", 0, 0, "u", Impression("s", "u", 100.0, ("a", "b")))
    counted = []
    for forget in (False, True):
        e = engine()
        click(e, ("u", "x", 50.0))
        learn(e, [shown])
        if forget:
            e.forget_user("u")
        click(e, ("u", "a", 110.0))
        counted.append(e.attribution.state.cells.sums[0].sum())
    assert counted[0] > counted[1]
