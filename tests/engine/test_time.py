"""Event time may be late, out of order, or jump by years: what is learned stays finite and in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from stream_rec.engine.engine import Engine
from stream_rec.engine.state.layout import leaves
from tests.engine.worlds import answers, click, engine

COLUMNS = ("price", "opens", "closes")
HOUR, DAY, YEAR = 3600.0, 86_400.0, 365.25 * 86_400.0


UNBOUNDED = {"popularity.logs", "users.seen", "items.seen", *(f"columns.{name}" for name in COLUMNS)}
"""Infinite or NaN stands for none there."""


def assert_all_finite(e: Engine) -> None:
    for path, array in leaves(e.state):
        if array.dtype.kind == "f" and path not in UNBOUNDED:
            assert np.isfinite(array).all(), path


@pytest.mark.parametrize("jumps", [(0.0, 1.7e9), (10 * YEAR, 30 * YEAR), (1.0, 200 * YEAR, 201 * YEAR)])
def test_a_jump_of_years_leaves_finite_state_and_the_newest_on_top(jumps: tuple[float, ...]) -> None:
    e = engine(train_sample=1.0)
    rng = np.random.default_rng(0)
    for jump in jumps:
        click(e, *[(f"u{n % 7}", f"i{rng.integers(20)}", jump + 60.0 * n) for n in range(200)])
        click(e, *[(f"u{n % 7}", f"at {jump}", jump + 12_000.0 + n) for n in range(60)])
        assert_all_finite(e)
        assert e.popular(1).items == [f"at {jump}"]
        for scores in e.recommend(["u1", "stranger"]).scores:
            assert np.isfinite(scores).all()


def test_an_event_of_long_ago_counts_next_to_nothing_and_breaks_nothing() -> None:
    e = engine(train_sample=1.0)
    click(e, *[(f"u{n % 7}", f"i{n % 12}", 1.7e9 + n) for n in range(200)])
    popular = e.popular(12)
    click(e, *[("late", "old", ts) for ts in (0.0, 1.0, 1.6e9)])
    assert_all_finite(e)
    assert e.popular(12).items == popular.items
    assert_allclose(e.popular(12).scores, popular.scores)
    assert e.event_time == 1.7e9 + 199


def test_times_before_the_epoch_are_taken() -> None:
    e = engine(train_sample=1.0)
    click(e, *[(f"u{n % 3}", f"i{n % 5}", -1e9 + n) for n in range(60)])
    assert_all_finite(e)
    assert len(e.recommend(["u1"]).items[0]) == 5
    assert e.event_time == 0.0


def test_counts_do_not_depend_on_the_order_of_events_of_different_users() -> None:
    rng = np.random.default_rng(4)
    rows = [(f"u{n}", f"i{rng.integers(12)}", float(rng.uniform(0, 3 * DAY))) for n in range(60)]
    a, b = engine(), engine()
    click(a, *rows)
    click(b, *sorted(rows, key=lambda r: r[2]))
    popular = [dict(zip(e.popular(12).items, e.popular(12).scores, strict=True)) for e in (a, b)]
    assert popular[0] == pytest.approx(popular[1], rel=1e-6)


def test_popularity_halves_in_a_day() -> None:
    e = engine()
    click(e, *[(f"u{n}", "a", 1000.0) for n in range(8)])
    click(e, *[(f"v{n}", "b", 1000.0 + 2 * DAY) for n in range(3)])
    popular = e.popular(2)
    assert popular.items == ["b", "a"]
    assert_allclose(popular.scores, [3.0, 2.0], rtol=1e-6)


def test_trending_is_what_rises_and_popular_what_stands() -> None:
    e = engine()
    steady = [(f"u{n % 50}", "steady", 600.0 * n) for n in range(1000)]
    click(e, *steady)
    click(e, *[(f"v{n}", "rising", 599_400.0 + n) for n in range(20)])
    assert e.popular(2).items == ["steady", "rising"]
    assert e.trending(1).items == ["rising"]


def test_trending_does_not_list_what_has_gone_quiet() -> None:
    e = engine()
    click(e, *[(f"u{n % 50}", "once", float(n)) for n in range(60)])
    click(e, *[(f"u{n % 50}", "now", 3 * DAY + n) for n in range(5)])
    assert e.trending(5).items == ["now"]


def test_new_lists_what_came_last() -> None:
    e = engine()
    click(e, *[("u", f"i{n}", float(n)) for n in range(30)], ("u", "i3", 99.0))
    assert e.new(3).items == ["i29", "i28", "i27"]
    assert e.new(3).scores == [29.0, 28.0, 27.0]


def test_answers_after_a_quiet_year_are_still_answers() -> None:
    e = engine()
    click(e, *[(f"u{n % 9}", f"i{n % 14}", 60.0 * n) for n in range(300)])
    click(e, ("u1", "i3", YEAR))
    ranked = answers(e, ["u1", "u2", "stranger"])[0]
    assert [len(slate) for slate in ranked] == [14, 14, 14]  # type: ignore[attr-defined]
