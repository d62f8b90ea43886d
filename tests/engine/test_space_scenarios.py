"""Scenarios that vector spaces rank, fill or spread: nearest first, under the same rules as every slate."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.fold.pool import FALLBACK, RANKED
from stream_rec.engine.results import Ranked
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Boost, Diversity, Pin, Scenario
from tests.engine.spaces.test_learning import circle
from tests.engine.worlds import change, click, decide, engine, learn_vectors

NEAR = "vectors:text"


def shop(**bounds: object) -> Engine:
    """i0 to i17 every ten degrees of a circle, touched by nobody but ann (i3); others have had p, without a vector."""
    e = engine(content=False, catalogue="off", train_sample=0.0, **bounds)
    change(e, *[Item(f"i{n}", tags=(f"t{n % 2}",)) for n in range(18)])
    learn_vectors(e, *[("text", f"i{n}", circle(10.0 * n)) for n in range(18)])
    click(e, *[(f"u{n}", "p", 900.0 + n) for n in range(5)], ("ann", "i3", 1000.0))
    return e


def ask(e: Engine, scenario: Scenario, user: str = "ann") -> Ranked:
    decide(e, {"s": scenario})
    e.compile_rules()
    return e.recommend([user], scenario="s")


def slate(e: Engine, scenario: Scenario, user: str = "ann") -> list[str]:
    return ask(e, scenario, user).items[0]


def test_the_nearest_come_first_and_say_which_space_and_item_they_come_from() -> None:
    e = shop()
    ranked = ask(e, Scenario(logic=NEAR, k=5))
    assert set(ranked.items[0][:2]) == {"i2", "i4"}
    assert set(ranked.items[0][2:4]) == {"i1", "i5"}
    assert ranked.scores[0] == pytest.approx(
        np.cos(np.radians([10.0, 10.0, 20.0, 20.0, 30.0])).tolist(), abs=2e-4
    )
    assert [ranked.source_names[source] for source in ranked.sources[0]] == [NEAR] * 5
    assert set(ranked.because[0]) == {"i3"}
    assert ranked.marks is not None
    assert (ranked.marks[0] == RANKED).all()


def test_each_user_has_another_list_also_when_asked_together() -> None:
    e = shop()
    click(e, ("bob", "i14", 1001.0))
    decide(e, {"s": Scenario(logic=NEAR, k=2)})
    e.compile_rules()
    together = e.recommend(["ann", "bob", "ann"], scenario="s").items
    assert [set(items) for items in together] == [{"i2", "i4"}, {"i13", "i15"}, {"i2", "i4"}]


def test_rules_hold() -> None:
    e = shop()
    assert set(slate(e, Scenario(logic=NEAR, k=2, filter="'t1' in tags"))) == {"i1", "i5"}
    boosted = slate(e, Scenario(logic=NEAR, k=3, boosts=(Boost("'t1' in tags", 20.0),)))
    assert set(boosted[:2]) == {"i1", "i5"}
    assert slate(e, Scenario(logic=NEAR, k=3, pins=(Pin("i17", 2),)))[1] == "i17"


def test_an_item_that_is_hidden_or_loses_its_vector_is_gone_at_once() -> None:
    e = shop()
    change(e, "i2")
    learn_vectors(e, ("text", "i4", None))
    assert set(slate(e, Scenario(logic=NEAR, k=2))) == {"i1", "i5"}
    learn_vectors(e, ("text", "i4", circle(40.0)))
    assert slate(e, Scenario(logic=NEAR, k=1)) == ["i4"]


def test_whom_the_space_knows_nothing_of_the_fallbacks_serve() -> None:
    e = shop()
    for user, logic in (("nobody", NEAR), ("u1", NEAR), ("ann", "vectors:none")):
        ranked = ask(e, Scenario(logic=logic, k=3, leave_out_seen="none"), user)
        assert ranked.items[0]
        assert ranked.marks is not None
        assert (ranked.marks[0][: len(ranked.items[0])] == FALLBACK).all()
        assert slate(e, Scenario(logic=logic, k=3, strict=True), user) == []


def test_a_space_fills_what_another_logic_leaves() -> None:
    e = shop()
    ranked = ask(e, Scenario(logic="recently_viewed", k=3, fallbacks=(NEAR, "popular")))
    assert ranked.items[0][0] == "i3"
    assert set(ranked.items[0][1:]) == {"i2", "i4"}
    assert ranked.marks is not None
    assert ranked.marks[0].tolist() == [RANKED, FALLBACK, FALLBACK]
    assert [ranked.source_names[source] for source in ranked.sources[0][1:]] == [NEAR] * 2


def test_it_ranks_although_the_source_is_switched_off() -> None:
    e = shop(sources=("popularity",))
    assert set(slate(e, Scenario(logic=NEAR, k=2))) == {"i2", "i4"}
    assert slate(e, Scenario(k=1)) == ["p"], "and only there"


def test_what_is_near_in_the_space_counts_as_alike() -> None:
    e = shop()
    learn_vectors(e, *[("text", f"i{n}", circle(0.1 * n if n < 9 else 90.0 + 0.1 * n)) for n in range(18)])
    click(e, *[("carl", f"i{n}", 1000.0 + n) for n in (0, 9)])
    spread = slate(e, Scenario(logic=NEAR, k=2, diversity=Diversity(0.3, over=NEAR)), "carl")
    alone = slate(e, Scenario(logic=NEAR, k=2), "carl")
    assert [len({int(item[1:]) >= 9 for item in items}) for items in (spread, alone)] == [2, 1]
    missing = slate(e, Scenario(logic=NEAR, k=2, diversity=Diversity(0.3, over="vectors:none")), "carl")
    assert missing == alone


def test_similar_knows_items_from_their_vectors_alone() -> None:
    e = shop()
    assert set(e.similar("i10", 2).items) == {"i9", "i11"}
    learn_vectors(e, ("text", "i9", None))
    assert "i9" not in e.similar("i10", 17).items
    bare = engine(content=False, catalogue="off")
    change(bare, *[Item(f"i{n}") for n in range(3)])
    assert bare.similar("i1", 2).items == []
