"""Slates say which decisions they know, and never one more."""

from __future__ import annotations

from stream_rec.schemas.records import Item
from tests.engine.deciding import decide, scenario
from tests.engine.worlds import change, engine


def test_of_several_changes_that_are_not_in_force_yet_none_is_claimed() -> None:
    e = engine(catalogue="off")
    change(e, *[Item(f"i{n}", price=float(n)) for n in range(20)])
    decide(e, scenario("home", filter="price > 1.0"))
    e.compile_rules()
    assert e.rules_upto("home") is None, "all that was learned"
    decide(e, scenario("home", filter="price > 2.0"))
    decide(e, scenario("home", filter="price > 3.0"))
    assert e.rules_upto("home") == 0
    while e.compile_rules(lambda: True):
        assert e.rules_upto("home") == 0
    assert e.rules_upto("home") is None
    decide(e, scenario("home", filter="price > 4.0"))
    assert e.rules_upto("home") == 2


def test_a_change_that_is_in_force_at_once_is_known_at_once() -> None:
    e = engine(catalogue="off")
    decide(e, scenario("home", filter="price > 1.0"))
    e.compile_rules()
    decide(e, scenario("home", filter="price > 2.0"))
    decide(e, scenario("home", filter="price > 1.0"))
    assert e.rules_upto("home") is None
