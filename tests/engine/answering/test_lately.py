"""`event_ttl_seconds`: what a user did longer ago is neither interest nor seen, for this scenario alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.engine.answering.lately import _ages, only_since
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import rows_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Item
from tests.engine.deciding import decide, merge, scenario
from tests.engine.worlds import change, click, engine

DAY = 86_400.0
EVERYTHING = {f"x{n}" for n in range(12)}


def world(**bounds: object) -> Engine:
    """Somebody who came twice, ten days apart, and then others; all items are known, and popular."""
    e = engine(train_sample=0.0, **bounds)
    change(e, *[Item(item) for item in sorted(EVERYTHING)])
    click(e, *[(f"u{n % 4}", f"x{n % 12}", 10.0 * n) for n in range(48)])
    click(e, ("me", "x1", 500.0), ("me", "x2", 510.0))
    for day in range(1, 12):
        click(e, ("u0", "x0", day * DAY))
    click(e, ("me", "x3", 11.0 * DAY + 60), ("u0", "x0", 12.0 * DAY))
    return e


def shown(e: Engine, **body: Any) -> list[str]:
    decide(e, scenario("s", k=12, **body))
    e.compile_rules()
    return e.recommend(["me"], scenario="s").items[0]


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [(0.0, ["x3", "x2", "x1"]), (30 * DAY, ["x3", "x2", "x1"]), (3 * DAY, ["x3"]), (0.5 * DAY, [])],
)
def test_what_was_viewed_lately_is_listed(ttl: float, expected: list[str]) -> None:
    assert (
        shown(world(), logic="recently_viewed", event_ttl_seconds=ttl, strict=True, fallbacks=()) == expected
    )


def left_out(e: Engine, ttl: float) -> set[str]:
    return EVERYTHING - set(shown(e, leave_out_seen="all", event_ttl_seconds=ttl))


def test_what_was_seen_long_ago_may_be_shown_again() -> None:
    e = world()
    assert left_out(e, 0.0) == {"x1", "x2", "x3"}
    assert left_out(e, 3 * DAY) == {"x3"}
    assert left_out(e, 0.5 * DAY) == set()


def test_what_was_had_before_the_ring_is_too_old_where_anything_in_it_is() -> None:
    e = world(history_length=8)
    click(e, *[("me", f"x{n}", 12.0 * DAY + n) for n in range(4, 10)])
    everything = {f"x{n}" for n in range(1, 10)}
    assert left_out(e, 0.0) == left_out(e, 30 * DAY) == everything
    assert left_out(e, 3 * DAY) == everything - {"x1", "x2"}
    click(e, ("me", "x10", 12.5 * DAY))  # x2 leaves the ring, in which nothing is older than 1.5 days now
    assert left_out(e, 3 * DAY) == everything | {"x10"}
    assert left_out(e, DAY) == everything - {"x1", "x2", "x3"} | {"x10"}


def test_nothing_starts_from_what_is_too_old() -> None:
    e = world()
    decide(e, scenario("s", k=12, event_ttl_seconds=0.5 * DAY))
    decide(e, scenario("all", k=12, strict=True))
    e.compile_rules()
    assert set(e.recommend(["me"], scenario="s").because[0]) == {""}
    assert set(e.recommend(["me"], scenario="all").because[0]) - {""}


def test_other_slates_and_the_state_are_as_before() -> None:
    e, other = world(), world()
    before = e.recommend(["me", "u1"])
    for ttl in (0.5 * DAY, 3 * DAY):
        shown(e, leave_out_seen="all", event_ttl_seconds=ttl)
        shown(other, leave_out_seen="all")
    assert e.recommend(["me", "u1"]).items == before.items
    arrays, expected = e.snapshot(), other.snapshot()
    assert (arrays["state.histories.items"] == expected["state.histories.items"]).all()
    assert (arrays["state.past.heads"] == expected["state.past.heads"]).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-3600.0, 2.5 * DAY), min_size=1, max_size=40))
def test_ages_are_known_to_four_percent(pauses: list[float]) -> None:
    e, now, times = engine(train_sample=0.0, history_length=8), 1000.0, []
    for pause in pauses:
        click(e, ("u", f"i{len(times) % 9}", now + pause))
        times.append(now + pause)
        now = max(now, now + pause)
    click(e, ("later", "i0", now + 100.0))
    users = rows_of(e.state.users, IdColumn.of(["u"]))
    ages, n = _ages(e.state, users)[0], len(times)
    latest = np.maximum.accumulate(times)  # an event that comes late counts as of then
    for number in range(max(0, n - 8), n):
        true = now + 100.0 - latest[number]
        assert ages[number & 7] == pytest.approx(true, rel=0.041, abs=0.041 * (n - number) + 1e-6)
    assert (ages[n:] == 0.0).all()


def test_a_visitors_events_are_as_old_in_the_users_history() -> None:
    e = engine(train_sample=0.0)
    click(
        e,
        ("me", "x1", 0.0),
        ("me", "x2", DAY),
        ("v", "x3", 2 * DAY),
        ("v", "x4", 5 * DAY),
        ("o", "y", 6 * DAY),
    )
    decide(e, merge("v", "me", e.event_time))
    ages = _ages(e.state, rows_of(e.state.users, IdColumn.of(["me"])))[0, :4]
    assert ages == pytest.approx([6 * DAY, 5 * DAY, 4 * DAY, DAY], rel=0.041)


def test_what_is_masked_is_as_it_was_also_after_an_error() -> None:
    e = world()
    before, rows = e.digest(), rows_of(e.state.users, IdColumn.of(["me", "u1", "nobody"]))
    hashes = np.array([1, 0, 1], np.uint64)
    with pytest.raises(RuntimeError, match="amid"), only_since(e.state, rows, hashes, DAY):
        assert e.digest() != before
        raise RuntimeError("amid")
    assert e.digest() == before
