"""What a user has had: a rule of the scenario reads it from the history itself, and it never empties a slate."""

from __future__ import annotations

import itertools

import pytest

from stream_rec.schemas.records import Item
from stream_rec.settings import ScenarioSettings
from stream_rec.sources.features import NAMES
from tests.engine.worlds import change, click, engine

ONCE = {"default": ScenarioSettings(repeats=False), "often": ScenarioSettings(repeats=True)}
SUBSETS = [
    *[(name,) for name in NAMES],
    *itertools.combinations([name for name in NAMES if name != "session"], 4),
    tuple(name for name in NAMES if name != "session"),
]


@pytest.mark.parametrize("sources", SUBSETS, ids=lambda sources: "+".join(sources))
def test_no_source_is_needed_to_know_what_a_user_has_had(sources: tuple[str, ...]) -> None:
    e = engine(sources=sources, scenarios=ONCE, train_sample=0.0)
    walk = [f"i{n}" for n in range(12)]
    click(e, *[(f"u{n % 3}", item, 10.0 * n) for n, item in enumerate(walk * 3)])
    had = set(walk[:5])
    click(e, *[("me", item, 1000.0 + n) for n, item in enumerate(walk[:5])])
    assert set(e.recommend(["me"], k=20).items[0]) == set(walk) - had
    assert set(e.recommend(["me"], k=20, scenario="often").items[0]) >= had or sources != NAMES
    for item in walk:
        assert item not in e.similar(item, 20).items


def test_everything_counts_however_long_ago() -> None:
    e = engine(history_length=8, scenarios=ONCE, train_sample=0.0)
    change(e, *[Item(f"i{n}") for n in range(40)])
    click(e, *[("me", f"i{n % 30}", 10_000.0 * n) for n in range(70)])
    assert set(e.recommend(["me"], k=60).items[0]) == {f"i{n}" for n in range(30, 40)}
    e.forget_user("me")
    assert len(e.recommend(["me"], k=60).items[0]) == 40


def test_what_was_had_before_the_history_is_in_snapshots_of_any_bound() -> None:
    e = engine(history_length=8, scenarios=ONCE, train_sample=0.0)
    click(e, *[(f"u{n % 2}", f"i{n % 30}", 10_000.0 * n) for n in range(200)])
    for max_users in (32, 64, 256):
        other = engine(history_length=8, scenarios=ONCE, train_sample=0.0, max_users=max_users)
        other.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
        assert other.recommend(["u0", "u1"]).items == e.recommend(["u0", "u1"]).items
        if max_users == 64:
            assert other.digest() == e.digest()
    older = {name: array.copy() for name, array in e.snapshot().items() if not name.startswith("state.past.")}
    other = engine(history_length=8, scenarios=ONCE, train_sample=0.0)
    other.restore(older, e.position)
    assert set(e.recommend(["u0"], k=60).items[0]) < set(other.recommend(["u0"], k=60).items[0])


@pytest.mark.parametrize("sources", [NAMES, ("popularity",), ("transitions",)])
def test_who_has_had_everything_gets_the_best_of_it_marked(sources: tuple[str, ...]) -> None:
    e = engine(sources=sources, scenarios=ONCE, train_sample=0.0)
    click(e, *[("me", f"i{n}", 10.0 * n) for n in range(5)], ("other", "i1", 60.0))
    ranked = e.recommend(["me", "other", "unknown"], k=20)
    assert sorted(ranked.items[0]) == [f"i{n}" for n in range(5)]
    assert sorted(ranked.items[1]) == ["i0", "i2", "i3", "i4"]
    assert ranked.relaxed == [True, False, False]
    change(e, "i3")
    assert "i3" not in e.recommend(["me"], k=20).items[0]
    change(e, Item("new"))
    ranked = e.recommend(["me"], k=20)
    assert ranked.items == [["new"]] and ranked.relaxed == [False]


def test_there_is_nothing_like_the_only_item() -> None:
    e = engine()
    click(e, ("me", "a", 10.0))
    assert e.similar("a", 5).items == []
