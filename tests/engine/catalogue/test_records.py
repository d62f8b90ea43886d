"""What the catalogue says holds at once: what it removes is never shown, what it brings can be found."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import Item
from tests.engine.worlds import change, click, engine, everywhere, known_items

USERS = [f"u{n}" for n in range(8)]


def shop(**bounds: object) -> Engine:
    """Eight users who walked through twenty items in sessions, so that every source knows every item."""
    e = engine(index_refresh_events=16, **bounds)
    rng = np.random.default_rng(3)
    click(e, *[(USERS[n % 8], f"i{rng.integers(20)}", 60.0 * n) for n in range(400)])
    return e


def hide(e: Engine, item: str, how: str) -> None:
    change(e, item if how == "removed" else Item(item, available=False))


@pytest.mark.parametrize("how", ["removed", "unavailable"])
def test_a_hidden_item_is_nowhere_until_it_is_back(how: str) -> None:
    e = shop()
    assert "i3" in everywhere(e, USERS)
    hide(e, "i3", how)
    assert "i3" not in everywhere(e, [*USERS, "stranger"])
    change(e, Item("i3"))
    assert "i3" in everywhere(e, USERS)
    assert "i3" in e.recommend(USERS, k=60).items[0]


@pytest.mark.parametrize("how", ["removed", "unavailable"])
def test_late_clicks_do_not_bring_a_hidden_item_back(how: str) -> None:
    e = shop()
    hide(e, "i3", how)
    for n in range(100):
        click(e, (USERS[n % 8], "i3", 30_000.0 + n), (USERS[n % 8], "i4", 30_001.0 + n))
        assert "i3" not in everywhere(e, [*USERS[:2], "stranger"])
    change(e, Item("i3"))
    assert "i3" in everywhere(e, USERS)
    assert e.popular(1).items[0] in {"i3", "i4"}, "what was learned meanwhile was lost"


@pytest.mark.parametrize("how", ["removed", "unavailable"])
def test_an_item_hidden_before_its_first_event_is_hidden_too(how: str) -> None:
    """The topics have no order among themselves: a removal may be learned before the clicks it followed."""
    e = shop()
    hide(e, "ghost", how)
    for n in range(40):
        click(e, (USERS[n % 8], "ghost", 30_000.0 + n), (USERS[n % 8], "i4", 30_001.0 + n))
    assert "ghost" not in everywhere(e, [*USERS, "stranger"])
    change(e, Item("ghost"))
    assert "ghost" in everywhere(e, USERS)


def test_a_hidden_item_can_still_be_the_reason_for_others() -> None:
    e = shop()
    click(e, *[(f"v{n}", item, 30_000.0 + n) for n in range(9) for item in ("gone", "partner")])
    click(e, ("u1", "gone", 40_000.0))
    change(e, "gone")
    ranked = e.recommend(["u1"], k=10)
    assert "partner" in ranked.items[0]
    assert ranked.because[0][ranked.items[0].index("partner")] == "gone"
    assert "partner" in e.similar("gone", 5).items


def test_a_flood_of_removals_of_unknown_items_pushes_out_few_others() -> None:
    e = shop(max_items=64)
    before = set(known_items(e))
    change(e, *[f"unknown{n}" for n in range(2000)])
    assert len(before & set(known_items(e))) >= len(before) - 2
    assert len(e.new(20).items) > 0
    assert "unknown1999" not in everywhere(e, USERS)


def test_hidden_items_do_not_push_others_from_the_list_of_the_new() -> None:
    e = shop()
    change(e, Item("fresh"))
    change(e, *[Item(f"hidden{n}", available=False) for n in range(20)])
    assert e.new(3).items[0] == "fresh"
    change(e, Item("hidden7"))
    assert e.new(3).items[:2] == ["hidden7", "fresh"]
    change(e, "hidden7", Item("hidden7"))
    assert e.new(3).items[:2] == ["hidden7", "fresh"]


def test_what_is_only_in_the_catalogue_goes_before_what_is_used_the_oldest_first_whatever_its_date() -> None:
    """A date far in the future must not make a row immortal."""
    e = engine(max_items=16)
    click(e, *[("u", f"i{n}", 1000.0 + n) for n in range(13)])
    change(e, Item("future", ts=1e12))
    click(e, ("u", "i13", 1100.0))
    change(e, Item("past", ts=1.0))
    click(e, ("u", "j0", 2000.0))
    assert "future" not in known_items(e) and "past" in known_items(e)
    click(e, ("u", "j1", 2001.0))
    assert "past" not in known_items(e)
    assert e.stats()["evicted_items"] == 2


def test_an_import_is_no_use() -> None:
    """Sixty records that nobody has clicked leave ten hot items where they are, however often they come again."""
    e = engine(max_items=16)
    hot = [f"hot{n}" for n in range(10)]
    click(e, *[(f"u{n % 7}", item, 10.0 * n) for n, item in enumerate(hot * 3)])
    for _ in range(2):
        change(e, *[Item(f"c{n}") for n in range(60)], Item("hot3"))
    assert set(hot) <= set(known_items(e))
    change(e, *[Item(item) for item in hot])
    click(e, *[("u1", f"new{n}", 1000.0 + n) for n in range(7)])
    assert "hot0" not in known_items(e), "a catalogue record made an item young"
    assert {f"new{n}" for n in range(7)} <= set(known_items(e))


def test_of_many_rows_in_use_the_one_that_is_not_is_found() -> None:
    e = engine(max_items=256, train_sample=0.0)
    change(e, Item("unused"))
    click(e, *[(f"u{n % 9}", f"i{n}", 1.0 * n) for n in range(255)])
    e.state.items.counters["hand"] = 40  # far from it
    click(e, ("u", "one more", 300.0))
    assert "unused" not in known_items(e)
    assert {f"i{n}" for n in range(255)} <= set(known_items(e))


def test_a_small_catalogue_fills_the_slate_of_anybody() -> None:
    e = engine()
    change(e, *[Item(f"c{n}") for n in range(7)], Item("hidden", available=False))
    everything = {f"c{n}" for n in range(7)}
    assert set(e.recommend(["stranger"], k=20).items[0]) == everything
    click(e, ("u", "c1", 10.0), ("u", "c2", 20.0))
    for user in ("u", "stranger"):
        (slate,) = e.recommend([user], k=20).items
        assert sorted(slate) == sorted(everything)
        assert len(e.recommend([user], k=4).items[0]) == 4


def test_a_catalogue_loaded_before_any_event_is_shown_at_once() -> None:
    e = engine(max_items=512)
    change(e, *[Item(f"c{n}", tags=("t",)) for n in range(300)])
    assert len(e.recommend(["stranger"]).items[0]) == 20
    assert e.new(3).items == ["c299", "c298", "c297"]


TASTES = ("jazz", "metal")


def music(e: Engine, rng: np.random.Generator, n: int = 4000) -> None:
    """Users of two tastes; every user hears only items of one of two disjoint sets with their tags."""
    for taste in TASTES:
        change(e, *[Item(f"{taste}{n}", tags=(taste, f"{taste}-label")) for n in range(40)])
    users = rng.integers(20, size=n)
    rows = [(f"u{u}", f"{TASTES[u % 2]}{rng.integers(40)}", 40.0 * i) for i, u in enumerate(users)]
    click(e, *rows)


def test_an_item_without_events_is_found_through_the_index_by_those_who_like_its_tags() -> None:
    e = engine(max_items=512, n_factors=16, index_refresh_events=64, exact_below_items=1024, content=False)
    music(e, np.random.default_rng(5))
    change(e, Item("new jazz", tags=("jazz", "jazz-label")), Item("new metal", tags=("metal", "metal-label")))
    # Enough others come after them that they are not candidates for being new.
    change(e, *[Item(f"noise{n}") for n in range(40)])
    listeners = {taste: [f"u{n}" for n in range(20) if TASTES[n % 2] == taste] for taste in TASTES}
    for taste, other in (TASTES, TASTES[::-1]):
        ranked = e.recommend(listeners[taste], k=200)
        found = []
        for n, slate in enumerate(ranked.items):
            own, strange = slate.index(f"new {taste}"), slate.index(f"new {other}")
            found.append(own < strange and bool(ranked.only_index[n, own]))
        assert np.mean(found) >= 0.8, taste


def test_it_is_in_the_index_with_the_same_call_that_brings_it() -> None:
    e = shop()
    size = e.stats()["index_items"]
    change(e, Item("new", tags=("t",)))
    assert e.stats()["index_items"] == size + 1
    change(e, "new")
    assert e.stats()["index_items"] == size
    assert "new" in known_items(e)


def test_what_events_have_taught_survives_a_change_of_tags() -> None:
    e = shop()
    factors = e.state.factors.items.copy()
    change(e, Item("i3", tags=("other",)), Item("i3", tags=("another", "yet another"), title="3"))
    assert (e.state.factors.items == factors).all()


def test_the_last_change_in_a_batch_holds() -> None:
    e = shop()
    change(e, "i3", Item("i3"), Item("i5", available=False), "i5", Item("i6"), "i6")
    named = everywhere(e, USERS)
    assert "i3" in named
    assert not {"i5", "i6"} & named
