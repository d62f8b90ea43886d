"""What is ranked when it is asked for: nothing of it stays, and it is what a user with that history would get."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.answering.at_request import RANKED, UNKNOWN, AtRequest
from stream_rec.engine.answering.explain import explain
from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.request_filters import RequestFilters, TooManyFilters
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.records import Item
from tests.engine.deciding import decide, scenario
from tests.engine.worlds import change, click, engine, learn, random_log, show


def world(seed: int = 1, **bounds: object) -> Engine:
    e = engine(**bounds)
    learn(e, random_log(seed, 600, users=20, items=30))
    return e


def ready(at: AtRequest, scenario: str, text: str) -> None:
    while not at.prepare((scenario, text)):
        pass


def as_new_user(e: Engine, items: list[str], k: int) -> list[str]:
    """The slate of a user who has just had these items: histories move, and nothing else."""
    start = e.position.get(("events", 0), 0)
    rows = [("newcomer", item, e.event_time) for item in items]
    batch = EventBatch.of(rows, span=Span("events", 0, 0, start, start + len(rows)))
    e.learn(batch, frozen=True)
    return e.recommend(["newcomer"], k=k).items[0]


@pytest.mark.parametrize("users", [64, 20])
def test_a_session_is_ranked_as_if_a_new_user_had_had_it_and_leaves_no_trace(users: int) -> None:
    e = world(max_users=users)
    at, before = AtRequest(e), e.digest()
    items = [item for item in ("i3", "i1", "i0", "i3") if not e.hidden([item])]
    found = at.session(items, "default", 10)
    assert e.digest() == before
    assert found is not None
    if users == 64:  # with 20, a newcomer takes the row of somebody who is a neighbour
        assert found.items[0] == as_new_user(e, items, 10)


def test_not_even_if_ranking_fails() -> None:
    e = world()
    at, before = AtRequest(e), e.digest()
    with pytest.raises(ValueError, match="k is 0"):
        at.session(["i1"], "default", 0)
    assert e.digest() == before


def test_a_session_of_items_nobody_knows_is_none() -> None:
    assert AtRequest(world()).session(["nothing"], "default", 5) is None


def test_given_items_stand_in_the_order_of_the_users_slate() -> None:
    e = world()
    at, before = AtRequest(e), e.digest()
    for user in ("u1", "u2", "u3"):
        slate = e.recommend([user], k=8).items[0][
            1:
        ]  # what leads is not always the best: the item clicked last
        ranked = [each.item_id for each in at.rank([*reversed(slate)], user, ())]
        assert sorted(ranked) == sorted(slate)
        scores = [each.score for each in at.rank(slate, user, ())]
        assert scores == sorted(scores, reverse=True)
    assert e.digest() == before


def test_what_was_shown_and_not_clicked_fades_in_a_ranking_as_in_the_slate() -> None:
    e = engine(catalogue="off", train_sample=1.0)
    click(e, *[(f"u{n % 7}", f"i{(n * n) % 13}", 1e6 + n) for n in range(200)])
    decide(e, scenario("home", k=5, rotation={"factor": 0.01, "after": 1, "recover_seconds": 3600.0}))
    at = AtRequest(e)
    slate = e.recommend(["u1"], scenario="home").items[0]

    def scores(user: str | None, session: tuple[str, ...] = ()) -> dict[str, float]:
        return {each.item_id: each.score for each in at.rank(slate, user, session, "home")}

    before, of_other, of_nobody = scores("u1"), scores("u2"), scores(None, ("i1",))
    show(e, "u1", [slate[1]], e.event_time, times=4)
    after = scores("u1")
    for each in explain(e, "u1", slate, "home"):
        of_rotation = after[each.item_id] - before[each.item_id]
        assert of_rotation == pytest.approx(each.by_source.get("rotation", 0.0), abs=1e-4)
    assert after[slate[1]] < before[slate[1]] - 1.0
    assert min(after, key=lambda item: after[item]) == slate[1]
    assert slate[1] not in e.recommend(["u1"], scenario="home").items[0][:4]
    assert (scores("u2"), scores(None, ("i1",))) == (of_other, of_nobody)
    assert {
        each.item_id: each.score for each in at.rank(slate, "u1", ())
    } == before  # no scenario, no rotation


def test_what_may_not_be_shown_is_left_out_of_a_ranking() -> None:
    e = world()
    change(e, "i1", Item("i2", hidden=True))
    found = {each.item_id for each in AtRequest(e).rank(["i1", "i2", "i3"], "u1", ())}
    assert not found & {"i1", "i2"}


def test_many_items_are_ranked_for_a_session_and_for_nobody() -> None:
    e = engine(max_items=2048)
    click(e, *[(f"u{n % 50}", f"i{n * n % 1500}", float(n)) for n in range(3000)])
    at, items = AtRequest(e), [f"i{n}" for n in range(1000)]
    for session in ((), ("i1", "i4")):
        found = at.rank(items, None, session)
        assert {each.item_id for each in found} == set(items)
        assert all(np.isfinite(each.score) for each in found)


def test_what_no_source_describes_and_what_nobody_knows_comes_last() -> None:
    e = engine(
        sources=("popularity", "transitions")
    )  # the vector index, which brings items in, is switched off
    click(e, *[(f"u{n % 5}", f"i{n % 40}", float(n)) for n in range(200)])
    found = AtRequest(e).rank(["nobody", *[f"i{n}" for n in range(40)]], "u1", ())
    assert {each.item_id for each in found} == {"nobody", *[f"i{n}" for n in range(40)]}
    assert [each.reason for each in found] == [RANKED] * 40 + [UNKNOWN]
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)


def test_a_requests_filter_holds_beside_the_scenarios_own() -> None:
    e = engine()
    change(e, *[Item(f"i{n}", price=float(n), tags=("odd",) if n % 2 else ()) for n in range(20)])
    click(e, *[(f"u{n % 5}", f"i{n % 20}", float(n)) for n in range(100)])
    decide(e, scenario("odd", filter="'odd' in tags"))
    e.compile_rules()
    at = AtRequest(e)
    ready(at, "odd", "price < 10.0")
    assert set(at.users(["stranger"], "odd", 20, "price < 10.0")[0].items[0]) == {
        "i1",
        "i3",
        "i5",
        "i7",
        "i9",
    }
    ranked = at.rank([f"i{n}" for n in range(20)], "stranger", (), "odd", "price < 10.0")
    assert {each.item_id for each in ranked} == {"i1", "i3", "i5", "i7", "i9"}
    change(e, Item("i1", price=100.0, tags=("odd",)))
    decide(e, scenario("odd", filter="!('odd' in tags)"))
    ready(at, "odd", "price < 10.0")
    found = set(at.users(["stranger"], "odd", 20, "price < 10.0")[0].items[0])
    assert found == {"i0", "i2", "i4", "i6", "i8"}


def test_only_so_many_filters_are_kept() -> None:
    e = world()
    filters = RequestFilters(e.held, e.attributes, e.event_types, e.decisions.pacing, 2)
    scenarios = e.decisions.scenarios
    for n in range(5):
        while not filters.prepare(scenarios, ("default", f"price > {n}.0")):
            pass
    filters.prepare(scenarios, ("default", "price > 10.0"))
    filters.prepare(scenarios, ("default", "price > 11.0"))


def test_and_those_that_are_being_compiled_are_not_given_up() -> None:
    e = engine(max_items=2048)
    change(e, *[Item(f"i{n}") for n in range(1000)])
    filters = RequestFilters(e.held, e.attributes, e.event_types, e.decisions.pacing, 1)
    assert not filters.prepare(e.decisions.scenarios, ("default", "price > 1.0"))
    with pytest.raises(TooManyFilters):
        filters.prepare(e.decisions.scenarios, ("default", "price > 2.0"))


def test_an_unknown_scenario_is_an_error() -> None:
    with pytest.raises(KeyError):
        AtRequest(world()).users(["u1"], "nowhere", 5)
