"""What events do by their meaning: dislikes, nevers, what is taken back, what is ignored."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_rec.engine.answering.explain import explain
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.schemas.records import Interaction, Item
from stream_rec.schemas.scenario import LOGICS, Exploration, Pin, Promotion, Scenario
from tests.engine.deciding import decide as decide_now
from tests.engine.deciding import erasure, merge
from tests.engine.worlds import (
    Record,
    answers,
    change,
    click,
    decide,
    engine,
    event_batch,
    everywhere,
    impression_batch,
    learn,
    random_log,
)

TYPES: dict[str, object] = {
    "dislike": {"meaning": "negative"},
    "shrug": {"meaning": "negative", "weight": 0.0},
    "hide": {"meaning": "never"},
    "hide_tag": {"meaning": "never", "hides": "tag"},
    "hide_owner": {"meaning": "never", "hides": "owner"},
    "unhide_owner": {"meaning": "undo:hide_owner"},
    "uncart": {"meaning": "undo:cart"},
    "unhide": {"meaning": "undo:hide"},
    "unhide_tag": {"meaning": "undo:hide_tag"},
    "undislike": {"meaning": "undo:dislike"},
    "scroll": {"meaning": "ignore"},
    "rating": {
        "meaning": "ignore",
        "when": [{"value": ">= 4", "weight": 2.0}, {"value": "<= 2", "meaning": "negative"}],
    },
}
ITEMS = [f"i{n}" for n in range(8)]


def shop(**bounds: object) -> Engine:
    """Everybody clicks on eight items in pairs; `me` has clicked on the first two."""
    e = engine(event_types=TYPES, train_sample=0.0, **bounds)
    for n in range(24):
        a, b = ITEMS[n % 8], ITEMS[(n + 1) % 8]
        click(e, (f"u{n % 6}", a, 4000.0 * n), (f"u{n % 6}", b, 4000.0 * n + 1))
    now = e.event_time + 5000
    click(e, ("me", "i0", now), ("me", "i1", now + 1))
    return e


def say(
    e: Engine, kind: str, item: str, *, user: str = "me", tag: str | None = None, value: float | None = None
) -> None:
    """One more event, a second after the latest."""
    start = e.position.get(("events", 0), 0)
    event = Interaction(
        user, item, kind, e.event_time + 1, value=value, context={"tag": tag} if tag else None
    )
    e.learn(event_batch([Record("events", 0, start, user, event)]))


def shown_to(e: Engine, user: str = "me") -> list[str]:
    return e.recommend([user], k=60).items[0]


# ---- dislikes ----


@pytest.mark.parametrize("kind", ["dislike", "shrug", "hide"])
def test_what_is_disliked_is_not_recommended_to_who_said_so(kind: str) -> None:
    e = shop()
    assert "i2" in shown_to(e)
    say(e, kind, "i2")
    assert "i2" not in shown_to(e)
    assert "i2" in shown_to(e, "u1")
    assert set(shown_to(e)) == {*ITEMS} - {"i2"}


@pytest.mark.parametrize("kind", ["dislike", "shrug", "hide"])
def test_the_slate_is_not_built_around_the_last_disliked_item(kind: str) -> None:
    e = shop()
    say(e, "click", "i5")
    assert "i5" in e.recommend(["me"]).because[0]
    say(e, kind, "i5")
    ranked = e.recommend(["me"], k=60)
    assert "i5" not in [*ranked.items[0], *ranked.because[0]]
    assert ranked.because[0][0] in ("i0", "i1", "")


def test_a_dislike_counts_nowhere_as_interest() -> None:
    a, b = shop(), shop()
    say(a, "uncart", "i3", user="somebody")  # so that it is as late
    say(b, "dislike", "i3", user="somebody")
    assert a.popular(8) == b.popular(8)
    assert a.trending(8) == b.trending(8)
    for part in ("transitions", "neighbours", "item_neighbours", "popularity"):
        for x, y in zip(getattr(a.state, part), getattr(b.state, part), strict=True):
            np.testing.assert_array_equal(x, y, err_msg=part)


def test_a_dislike_teaches_away_as_much_as_its_weight_says() -> None:
    def product(kind: str) -> float:
        e = engine(event_types=TYPES | {"hate": {"meaning": "negative", "weight": 5.0}}, train_sample=0.0)
        click(e, *[("me", f"i{n}", float(n)) for n in range(5)])
        say(e, kind, "x")
        row = e.state.items.counters[0]["n_rows"] - 1
        vector = e.state.factors.users[0] + e.state.factors.inputs[4]
        return float(e.state.factors.items[row] @ vector)

    assert product("hate") < product("dislike") < product("shrug")


def test_who_likes_an_item_after_all_sees_it_again_but_not_what_is_hidden_for_good() -> None:
    e = shop()
    say(e, "dislike", "i2")
    say(e, "hide", "i3")
    say(e, "click", "i2")
    say(e, "click", "i3")
    say(e, "click", "i7")
    assert "i2" in shown_to(e)
    assert "i3" not in shown_to(e)


def test_a_dislike_starts_no_session_and_ends_none() -> None:
    e = shop()
    say(e, "dislike", "i6")
    say(e, "click", "i2")
    assert e.state.histories.session_start[_row(e, "me")] == 0
    late = engine(event_types=TYPES)
    click(late, ("me", "a", 0.0))
    click(late, ("me", "b", 5000.0), event_type="dislike")
    click(late, ("me", "c", 5001.0))
    assert late.state.histories.session_start[_row(late, "me")] == 1


def _row(e: Engine, user: str) -> int:
    return int(e.state.users.hashes.tolist().index(int(_hash(user))))


def _hash(name: str) -> int:
    from stream_rec.kernels.ids import hash_ids

    return int(hash_ids(IdColumn.of([name]))[0])


# ---- conditions on the value ----


@pytest.mark.parametrize(
    ("value", "meaning"), [(5.0, "liked"), (3.0, "nothing"), (1.0, "disliked"), (None, "nothing")]
)
def test_a_rating_is_what_its_value_says(value: float | None, meaning: str) -> None:
    e = shop()
    before = e.digest()
    say(e, "rating", "i4", value=value)
    if meaning == "nothing":
        e.position[("events", 0)] -= 1  # type: ignore[index]
        assert e.digest() == before
    assert ("i4" in shown_to(e)) == (meaning != "disliked")
    assert ("i4" in e.recommend(["me"]).because[0]) == (meaning == "liked")


# ---- never ----


def test_a_never_holds_for_every_item_with_the_tag_also_for_those_that_come_later() -> None:
    e = shop()
    change(
        e, *[Item(item, tags=("brand=x", "shoe") if n % 2 else ("brand=y",)) for n, item in enumerate(ITEMS)]
    )
    say(e, "hide_tag", "i1", tag="brand=x")
    assert set(shown_to(e)) == {"i0", "i2", "i4", "i6"}
    change(e, Item("late", tags=("shoe", "brand=x")), Item("other", tags=("shoe",)))
    assert "late" not in shown_to(e)
    assert "other" in shown_to(e)
    assert "late" in shown_to(e, "u1")
    say(e, "unhide_tag", "i1", tag="brand=x")
    assert {"late", *ITEMS} <= set(shown_to(e))


def test_a_never_holds_for_every_item_of_the_owner_of_this_one() -> None:
    e = shop()
    change(e, *[Item(item, owner=f"owner{n % 2}", tags=("owner1",)) for n, item in enumerate(ITEMS)])
    say(e, "hide_owner", "i1")
    assert set(shown_to(e)) == {"i0", "i2", "i4", "i6"}
    change(e, Item("late", owner="owner1"), Item("other", owner="owner2"))
    assert "late" not in shown_to(e)
    assert "other" in shown_to(e)
    say(e, "unhide_owner", "i3")
    assert {"late", "i3", "i5"} <= set(shown_to(e))


@pytest.mark.parametrize("kind", ["hide_tag", "hide_owner"])
def test_a_never_by_what_is_not_given_hides_the_item(kind: str) -> None:
    e = shop()
    say(e, kind, "i2")
    assert set(shown_to(e)) == {*ITEMS} - {"i2"}


def test_it_holds_after_the_item_and_the_user_lost_their_rows() -> None:
    e = engine(event_types=TYPES, max_items=16, max_users=16)
    click(e, ("me", "a", 0.0), ("me", "bad", 1.0))
    say(e, "hide", "bad")
    click(e, *[(f"u{n}", f"x{n}", 10.0 + n) for n in range(60)])
    click(e, *[(f"u{n}", "bad", 100.0 + n) for n in range(5)])
    assert "bad" in shown_to(e, "u1")
    assert "bad" not in shown_to(e)


def test_one_users_nevers_are_bounded_and_dislikes_go_first() -> None:
    e = shop(max_blocked_per_user=3)
    for kind, item in (("hide", "i2"), ("dislike", "i3"), ("hide", "i4"), ("hide", "i5")):
        say(e, kind, item)
    assert {"i2", "i4", "i5"}.isdisjoint(shown_to(e))
    assert "i3" in shown_to(e)
    say(e, "hide", "i6")
    assert "i2" in shown_to(e)
    assert e.stats()["blocked"] == 3


def test_all_users_dislikes_are_bounded() -> None:
    e = shop(max_blocked=16)
    for n in range(80):
        say(e, "hide", f"i{n % 8}", user=f"u{n}")
    assert e.stats()["blocked"] == 16
    assert e.stats()["evicted_blocked"] == 64


def test_a_forgotten_user_has_said_nothing() -> None:
    e = shop()
    say(e, "hide", "i2")
    say(e, "cart", "i3")
    e.forget_user("me")
    assert "i2" in shown_to(e)
    assert e.stats()["blocked"] == 0
    assert not e.state.undoable.users.any()


# ---- undo ----


def test_taking_something_out_of_the_cart_takes_its_weight_back() -> None:
    a, b = shop(), shop()
    say(b, "cart", "new")
    assert "new" in b.popular(20).items
    say(a, "shrug", "other")
    say(b, "uncart", "new")
    assert "new" not in b.popular(20).items
    assert "new" not in [*b.trending(20).items, *b.recommend(["me"]).because[0]]
    assert b.similar("i1", 20).items == a.similar("i1", 20).items
    for name in ("scores", "reach"):
        np.testing.assert_allclose(
            getattr(b.state.popularity, name)[:, :8], getattr(a.state.popularity, name)[:, :8], rtol=1e-9
        )


def test_only_the_undone_event_is_taken_back() -> None:
    a, b = shop(), shop()
    for e in (a, b):
        say(e, "view", "i4")
    say(b, "cart", "i4")
    say(b, "uncart", "i4")
    for _ in range(2):
        say(a, "uncart", "other")
    np.testing.assert_allclose(b.state.popularity.scores, a.state.popularity.scores, rtol=1e-9)
    assert "i4" in b.recommend(["me"]).because[0]
    n = a.state.transitions.next_weights
    np.testing.assert_allclose(b.state.transitions.next_weights.sum(), n.sum(), rtol=1e-4)


def test_an_undo_without_what_it_undoes_changes_no_count() -> None:
    a, b = shop(), shop()
    for kind, e in (("shrug", a), ("uncart", b)):
        say(e, kind, "other")
        say(e, kind, "other", user="nobody else")
    assert a.popular(8) == b.popular(8)
    assert shown_to(a) == [item for item in shown_to(b) if item != "other"]


@pytest.mark.parametrize(("said", "undone"), [("hide", "unhide"), ("dislike", "undislike")])
def test_a_block_can_be_undone(said: str, undone: str) -> None:
    e = shop()
    say(e, said, "i2")
    say(e, undone, "i2")
    assert "i2" in shown_to(e)
    assert e.stats()["blocked"] == 0


# ---- ignore, the fold, snapshots ----


def types_log(seed: int, n: int = 300, partitions: int = 3) -> list[Record]:
    """A random log whose events are of all meanings."""
    rng = np.random.default_rng(seed)
    kinds = ["click", "cart", "purchase", "unheard of", *TYPES]
    log = []
    for record in random_log(seed, n, users=12, items=30, partitions=partitions):
        value = record.value
        if isinstance(value, Interaction):
            value = Interaction(
                value.user_id,
                value.item_id,
                str(rng.choice(kinds)),
                value.ts,
                session_id=value.session_id,
                value=float(rng.integers(1, 6)),
                context={"tag": f"t{rng.integers(5)}"},
            )
        log.append(record._replace(value=value))
    return log


def crowded() -> Engine:
    return engine(
        event_types=TYPES,
        max_users=16,
        max_items=20,
        max_blocked=16,
        max_blocked_per_user=3,
        max_undoable=16,
        index_refresh_events=16,
        exact_below_items=8,
        train_sample=0.5,
    )


USERS = [f"u{n}" for n in range(12)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32), cuts=st.sets(st.integers(1, 299), max_size=30))
def test_a_log_of_all_meanings_teaches_the_same_in_any_split(seed: int, cuts: set[int]) -> None:
    log = types_log(seed)
    whole, split = crowded(), crowded()
    learn(whole, log)
    for a, b in itertools.pairwise([0, *sorted(cuts), len(log)]):
        learn(split, log[a:b])
        split.recommend(USERS[:3])
    assert whole.digest() == split.digest()
    assert whole.stats() == split.stats()
    assert answers(whole, USERS) == answers(split, USERS)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_an_ignored_event_leaves_no_trace(seed: int) -> None:
    log = [record for record in types_log(seed, partitions=1) if isinstance(record.value, Interaction)]
    batch = event_batch(log)
    a, b = crowded(), crowded()
    learned = a.learn(batch)
    is_rating = np.array([name == "rating" for name in batch.event_types])
    is_ignored = np.array([name == "scroll" for name in batch.event_types]) | (
        is_rating & (batch.values == 3.0)
    )
    b.learn(batch.only(np.flatnonzero(~is_ignored)))
    assert a.digest() == b.digest()
    assert learned.ignored.tolist() == np.flatnonzero(is_ignored).tolist()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1 << 32))
@example(seed=27)  # an item is hidden, and then shown again are the items of one of its tags
def test_what_is_blocked_is_shown_on_no_path(seed: int) -> None:
    e, blocked = crowded(), {}
    for record in types_log(seed):
        learn(e, [record])
        event = record.value
        if isinstance(event, Interaction) and event.event_type == "hide":
            blocked[event.user_id] = event.item_id
        elif isinstance(event, Interaction) and event.event_type == "unhide":
            blocked.pop(event.user_id, None)
        shown = e.recommend([*blocked], k=60).items if blocked else []
        for item, slate in zip(blocked.values(), shown, strict=True):
            assert item not in slate or e.stats()["evicted_blocked"] > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_restored_engine_goes_on_bit_for_bit(seed: int) -> None:
    log = types_log(seed, 600)
    a, b = crowded(), crowded()
    learn(a, log[:300])
    b.restore({name: array.copy() for name, array in a.snapshot().items()}, a.position)
    assert a.digest() == b.digest()
    for e in (a, b):
        learn(e, log[300:])
    assert a.digest() == b.digest()
    assert answers(a, USERS) == answers(b, USERS)


def test_what_is_blocked_is_part_of_the_digest_and_moves_into_other_bounds() -> None:
    a, b = shop(), shop()
    for e in (a, b):
        say(e, "hide", "i2")
        say(e, "hide", "i3")
    assert a.digest() == b.digest()
    a.state.blocked.kinds[0] = 1
    assert a.digest() != b.digest()
    larger = engine(event_types=TYPES, max_blocked=1000, train_sample=0.0)
    larger.restore(b.snapshot(), b.position)
    assert {"i2", "i3"}.isdisjoint(shown_to(larger))


def test_a_dislike_is_no_click_on_what_was_shown() -> None:
    e = shop()
    from stream_rec.schemas.records import Impression

    shown = Impression("s", "me", e.event_time + 1, ("i2", "i3"))
    e.learn_impressions(impression_batch([Record("impressions", 0, 0, "me", shown)]))
    say(e, "dislike", "i2")
    assert e.attribution.state.cells.sums[:, 3].sum() == 0
    say(e, "click", "i3")
    assert e.attribution.state.cells.sums[:, 3].sum() == 1


def test_only_interest_is_judged() -> None:
    e = engine(event_types=TYPES)
    rows = [("u", "a", 1.0), ("u", "b", 2.0), ("u", "a", 3.0)]
    learned = e.learn(EventBatch.of(rows, event_type="dislike"), judge_all=True)
    assert (learned.n_learned, len(learned.fresh.at), learned.no_interest.tolist()) == (3, 0, [0, 1, 2])


def test_nothing_is_named_that_nobody_has_heard_of() -> None:
    e = shop()
    say(e, "hide", "never shown to anybody")
    assert {"never shown to anybody"}.isdisjoint(shown_to(e))
    assert "i0" in everywhere(e, ["me"])


# ---- on every path ----

PATHS = {
    "plain": Scenario(k=60),
    "filtered": Scenario(k=60, filter="true"),
    "pinned": Scenario(k=60, pins=(Pin("i2", 1), Pin("i5", 2)), exploration=Exploration(0.5, "all")),
    "promoted": Scenario(k=60, promotions=(Promotion(items=("i2", "i5"), share=1.0),)),
    "explored": Scenario(k=60, exploration=Exploration(1.0, "new")),
    "returning": Scenario(k=60, leave_out_seen="all", replacement=0.5, fallbacks=("popular", "new")),
    "typed": Scenario(k=60, leave_out_seen=("view",), fallbacks=("trending",)),
    **{logic: Scenario(k=60, logic=logic) for logic in LOGICS if logic != "leaderboard"},
    "leaderboard": Scenario(k=60, logic="leaderboard", order_by="1.0"),
}


def seen_on(e: Engine, user: str = "me") -> dict[str, set[str]]:
    """What each scenario shows to a user, and what it names as a reason."""
    decide(e, PATHS)
    e.compile_rules()
    found = {}
    for name in PATHS:
        ranked = e.recommend([user], scenario=name)
        found[name] = {*ranked.items[0], *ranked.because[0]}
    return found


@pytest.mark.parametrize(
    ("kind", "hidden"),
    [("hide", {"i2"}), ("dislike", {"i2"}), ("hide_tag", {"i2", "i5"}), ("hide_owner", {"i2", "i5"})],
)
def test_what_is_blocked_is_shown_under_no_rules_and_by_no_logic(kind: str, hidden: set[str]) -> None:
    e = shop()
    change(
        e,
        *[
            Item(i, tags=("x",) if i in ("i2", "i5") else (), owner="o" + str(i in ("i2", "i5")))
            for i in ITEMS
        ],
    )
    for n, item in enumerate(("i2", "i5", "i3", "i2")):
        say(e, ("click", "purchase")[n % 2], item)
    before = seen_on(e)
    assert all(hidden & before[name] for name in before)
    say(e, kind, "i2", tag="x")
    assert not [name for name, shown in seen_on(e).items() if hidden & shown]
    assert hidden <= seen_on(e, "u1")["plain"]
    again = engine(event_types=TYPES, train_sample=0.0)
    again.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
    assert not [name for name, shown in seen_on(again).items() if hidden & shown]
    assert why_absent_of(again, "i2").startswith("the user ")


def why_absent_of(e: Engine, item: str) -> str:
    (said,) = explain(e, "me", [item], "plain")
    assert said.place is None
    return str(said.absent)


def test_a_user_without_a_row_has_said_it_nevertheless() -> None:
    e = engine(event_types=TYPES, max_users=16, max_items=32, train_sample=0.0)
    click(e, *[("me", item, 1.0 + n) for n, item in enumerate(ITEMS)])
    say(e, "hide", "i2")
    click(e, *[(f"u{n}", ITEMS[n % 8], 10.0 + n) for n in range(60)])
    shown = seen_on(e)
    assert shown["plain"] >= {*ITEMS} - {"i2"}
    assert not [name for name in shown if "i2" in shown[name]]


@pytest.mark.parametrize("is_known", [True, False])
def test_what_a_visitor_never_wants_the_user_never_wants(is_known: bool) -> None:
    e = shop()
    say(e, "hide", "i2", user="visitor")
    say(e, "hide_tag", "i2", user="visitor", tag="x")
    say(e, "cart", "i7", user="visitor")
    if is_known:
        say(e, "click", "i4", user="ann")
    decide_now(e, merge("visitor", "ann", e.event_time))
    assert "i2" not in shown_to(e, "ann")
    assert e.stats()["blocked"] == 3  # the item by itself, the item with the tag, and the tag
    start = e.event_time + 100
    before = popularity(e, "i7")
    click(e, ("ann", "i7", start), event_type="uncart")
    assert popularity(e, "i7") < before
    e.forget_user("ann")
    assert e.stats()["blocked"] == 0


def popularity(e: Engine, item: str) -> float:
    found = e.popular(20)
    return found.scores[found.items.index(item)]


def test_nevers_are_told_by_id_dislikes_are_not() -> None:
    e = shop()
    assert e.nevers(["me", "u1"]) == {}
    change(e, *[Item(f"i{n}", tags=(f"t{n % 4}",), owner=f"o{n % 4}") for n in range(8)])
    say(e, "dislike", "i0")
    assert e.nevers(["me"]) == {}
    say(e, "hide", "i1")
    say(e, "hide_tag", "i2", tag="t2")
    say(e, "hide_owner", "i3")
    say(e, "hide", "never heard of", user="u2")
    assert {user: sorted(items) for user, items in e.nevers(["me", "u1", "u2"]).items()} == {
        "me": ["i1", "i2", "i3", "i6", "i7"],
        "u2": ["never heard of"],
    }
    change(e, Item("late", tags=("x", "t2")), "i6")
    assert sorted(e.nevers(["me"])["me"]) == ["i1", "i2", "i3", "i7", "late"]
    say(e, "unhide_tag", "i2", tag="t2")
    say(e, "unhide_owner", "i3")
    say(e, "unhide", "i1")
    assert e.nevers(["me"]) == {}


# ---- what was had, by types ----


def bought(e: Engine, *pairs: tuple[str, str]) -> None:
    for kind, item in pairs:
        say(e, kind, item)


def listed(e: Engine, scenario: Scenario, user: str = "me") -> list[str]:
    decide(e, {"s": scenario, "default": Scenario()})
    e.compile_rules()
    return e.recommend([user], scenario="s").items[0]


@pytest.mark.parametrize("history_length", [8, 64])
def test_only_what_was_had_by_these_types_is_left_out_however_long_ago(history_length: int) -> None:
    e = engine(event_types=TYPES, history_length=history_length, train_sample=0.0)
    change(e, *[Item(f"x{n}") for n in range(40)])
    bought(e, ("purchase", "x1"), ("view", "x2"), ("cart", "x3"), ("unheard of", "x4"))
    bought(e, *[("view", f"x{n}") for n in range(10, 30)], ("view", "x1"))
    everything = {f"x{n}" for n in range(40)}
    all_but = lambda *types: everything - set(listed(e, Scenario(k=60, leave_out_seen=types)))  # noqa: E731
    assert all_but("purchase") == {"x1"}
    assert all_but("cart", "purchase") == {"x1", "x3"}
    assert all_but("view") == {"x1", "x2", *(f"x{n}" for n in range(10, 30))}
    assert all_but("click") == set()
    assert all_but("unheard of") == {"x4"}
    assert all_but("dislike") == set()
    (said,) = explain(e, "me", ["x1"], "s")
    assert said.absent is None
    listed(e, Scenario(k=60, leave_out_seen=("purchase",)))
    assert explain(e, "me", ["x1"], "s")[0].absent == "the user has had it, and leave_out_seen leaves it out"


@pytest.mark.parametrize("history_length", [8, 64])
def test_to_buy_again_is_what_was_bought_the_latest_purchase_first(history_length: int) -> None:
    e = engine(event_types=TYPES, history_length=history_length, train_sample=0.0)
    bought(e, *[("purchase", f"x{n}") for n in range(6)], ("view", "x3"), ("purchase", "x1"), ("view", "y"))
    bought(e, *[("view", f"z{n}") for n in range(20)])
    strict: dict[str, Any] = {"k": 60, "strict": True, "fallbacks": ()}
    again = Scenario(logic="buy_again", **strict)
    assert listed(e, again) == ["x1", "x5", "x4", "x3", "x2", "x0"]
    bought(e, *[("view", f"w{n}") for n in range(20)], ("purchase", "x0"), ("view", "x2"))
    assert listed(e, again) == ["x0", "x1", "x5", "x4", "x3", "x2"]
    assert listed(e, Scenario(logic="buy_again", event_types=("cart",), **strict)) == []
    viewed = listed(e, Scenario(logic="recently_viewed", event_types=("view",), **strict))
    assert viewed[:2] == ["x2", "w19"]
    assert "x0" not in viewed
    unbought = listed(e, Scenario(logic="recently_viewed", leave_out_seen=("purchase",), **strict))
    assert unbought[0] == "w19"
    assert not {f"x{n}" for n in range(6)} & {*unbought}


def test_what_is_remembered_moves_with_a_merge_and_into_other_tables() -> None:
    e = engine(event_types=TYPES, history_length=8, train_sample=0.0)
    for n in range(12):
        say(e, ("purchase", "view")[n % 2], f"x{n}", user="visitor")
    say(e, "purchase", "y", user="ann")
    decide_now(e, merge("visitor", "ann", e.event_time))
    again = Scenario(logic="buy_again", k=60, strict=True, fallbacks=())
    expected = {"y", *(f"x{n}" for n in range(0, 12, 2))}
    assert set(listed(e, again, "ann")) == expected
    more = {f"type{n}": {"conversion": n == 3} for n in range(20)}
    other = engine(event_types=TYPES | more, history_length=8, train_sample=0.0)
    assert other.event_types.remembered != e.event_types.remembered
    other.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
    assert set(listed(other, again, "ann")) == expected
    say(other, "type3", "z", user="ann")
    assert listed(other, again, "ann")[0] == "z"


def test_snapshots_of_before_say_nothing_about_types() -> None:
    e = shop()
    say(e, "purchase", "i3")
    new = {
        "state.histories.types",
        "state.histories.pauses",
        "state.remembered",
        "state.past.types",
        "state.past.pages",
    }
    new |= {"state.past.heads", "state.past.counters"}
    older = {name: array.copy() for name, array in e.snapshot().items() if name not in new}
    other = engine(event_types=TYPES, train_sample=0.0)
    other.restore(older, e.position)
    assert listed(other, Scenario(logic="buy_again", k=9, strict=True, fallbacks=()), "me") == []
    assert "i3" in listed(other, Scenario(logic="recently_viewed", k=9, strict=True, fallbacks=()), "me")


# ---- weight 0 ----


def test_an_event_of_weight_0_is_had_and_nothing_else() -> None:
    types = TYPES | {"glimpse": {"weight": 0.0}}
    a, b = (engine(event_types=types, train_sample=0.0) for _ in range(2))
    for e in (a, b):
        click(e, *[(f"u{n % 5}", f"i{n % 7}", 10.0 * n) for n in range(60)])
        click(e, ("me", "i0", 700.0))
    say(a, "glimpse", "i4")
    say(b, "uncart", "i4")  # so that it is as late
    assert set(a.recommend(["me"]).because[0]) <= {"i0", ""}
    assert a.popular(9) == b.popular(9)
    for part in ("transitions", "neighbours", "item_neighbours", "popularity", "factors"):
        for x, y in zip(getattr(a.state, part), getattr(b.state, part), strict=True):
            np.testing.assert_array_equal(x, y, err_msg=part)
    assert "i4" not in listed(a, Scenario(k=60, leave_out_seen="all", strict=True, filter="true"))
    assert listed(a, Scenario(logic="recently_viewed", k=9, strict=True, fallbacks=()))[0] == "i4"
    say(a, "dislike", "i5")
    say(a, "glimpse", "i5")
    assert "i5" not in shown_to(a)


def test_an_ignored_event_of_a_forgotten_user_asks_for_no_slate() -> None:
    e = shop()
    decide_now(e, erasure("me", 1e9))
    rows = [("me", "i0", 10.0), ("other", "i1", 11.0)]
    start = e.position["events", 0]  # type: ignore[index]
    learned = e.learn(EventBatch.of(rows, event_type="scroll", span=Span("events", 0, 0, start, start + 2)))
    assert (learned.n_learned, learned.past.tolist(), learned.ignored.tolist()) == (0, [0], [1])
