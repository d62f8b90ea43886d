"""What the engine says that it knows of a user is what the user did."""

from __future__ import annotations

import pytest

from stream_rec.engine.answering.profile import HadItem, InArm, Interest, profile
from stream_rec.schemas.records import Item
from tests.engine.deciding import decide, decision, scenario
from tests.engine.worlds import change, click, engine


def test_what_was_had_by_which_events_and_how_often() -> None:
    e = engine()
    change(e, Item("tea", tags=("drink", "hot")), Item("cup", tags=("thing",)))
    click(e, ("ann", "tea", 10.0), ("ann", "cup", 20.0), ("ann", "tea", 30.0))
    click(e, ("ann", "cup", 40_000.0), event_type="purchase")
    digest = e.digest()
    found = profile(e, "ann", 10)
    assert found.items == [HadItem("cup", ("purchase", "click"), 2), HadItem("tea", ("click",), 2)]
    assert found.interests == [Interest("drink", 0.5), Interest("hot", 0.5), Interest("thing", 0.5)]
    assert (found.n_events, found.n_session, found.n_items, found.last_seen) == (4, 1, 2, 40_000.0)
    assert profile(e, "ann", 1).items == found.items[:1]
    assert e.digest() == digest


def test_what_was_had_before_the_last_events_is_known_without_a_count() -> None:
    e = engine()
    click(e, *[("ann", f"i{n}", 10.0 + n) for n in range(20)])
    found = profile(e, "ann", 30)
    assert [each.item_id for each in found.items[:16]] == [f"i{n}" for n in range(19, 3, -1)]
    assert {each.item_id: each.times for each in found.items[16:]} == {f"i{n}": 0 for n in range(4)}
    assert (found.n_events, found.n_items) == (20, 20)


@pytest.mark.parametrize("forget", [False, True])
def test_of_who_is_unknown_or_forgotten_nothing_is_known(forget: bool) -> None:
    e = engine()
    if forget:
        click(e, ("ann", "tea", 10.0))
        e.forget_user("ann")
    found = profile(e, "ann", 10)
    assert (found.n_events, found.last_seen, found.items, found.interests) == (0, None, [], [])


def test_it_names_the_arms_that_the_users_slates_are_of() -> None:
    e = engine(catalogue="off")
    click(e, ("ann", "tea", 10.0))
    arms = [{"name": "control"}, {"name": "blue", "scenario": {"k": 7}}]
    body = {"arms": arms, "state": "running", "started": 1.0, "scenarios": ["home"]}
    decide(e, scenario("home", k=5), scenario("basket", k=4), decision("experiment", "front", body))
    e.compile_rules()
    (dealt,) = e.recommend(["ann"], scenario="home").dealt
    assert dealt is not None
    assert profile(e, "ann", 1).arms == [InArm("home", "front", dealt.arm)]
