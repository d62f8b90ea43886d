"""Lists of a tag's items: of the tags that are used most, without what may not be shown or has changed since."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import Item
from tests.engine.worlds import change, click, engine


def shop() -> Engine:
    e = engine()
    tags = {"a": ("x",), "b": ("x", "y"), "c": ("y",), "d": ("z",), "e": ()}
    change(e, *[Item(item, tags=of) for item, of in tags.items()])
    rows = [*"aaabbcd", "e"] * 2
    click(e, *[(f"u{n}", item, 1000.0 + n) for n, item in enumerate(rows)])
    return e


def names(e: Engine, n: int = 9) -> list[str]:
    return [category.tag for category in e.categories(n)]


def test_the_tags_used_most_come_first_and_are_bounded() -> None:
    e = shop()
    assert names(e) == ["x", "y", "z"]
    assert names(e, 2) == ["x", "y"]
    assert names(engine()) == []


def test_each_has_lists_of_its_own_items_alone() -> None:
    e = shop()
    x, y, _ = (e.of_category(category, 9) for category in e.categories(3))
    assert (x["popular"].items, y["popular"].items) == (["a", "b"], ["b", "c"])
    assert set(x["trending"].items) == {"a", "b"}
    assert e.popular(9).items[:2] == x["popular"].items
    assert np.allclose(x["popular"].scores, e.popular(9).scores[:2])
    assert set(y["new"].items) == {"b", "c"}
    assert e.of_category(e.categories(1)[0], 1)["popular"].items == ["a"]


def test_what_may_not_be_shown_or_says_something_else_by_now_is_left_out() -> None:
    e = shop()
    x = e.categories(1)[0]
    change(e, Item("a", tags=("x",), hidden=True))
    assert e.of_category(x, 9)["popular"].items == ["b"]
    change(e, Item("b", tags=("y",)))
    assert e.of_category(x, 9)["popular"].items == []
    assert names(e) == ["y", "z"]


def test_the_newest_come_first_by_their_own_times() -> None:
    e = engine()
    change(e, *[Item(f"i{n}", tags=("t",), ts=1e9 + n) for n in range(5)])
    assert e.of_category(e.categories(1)[0], 3)["new"].items == ["i4", "i3", "i2"]
