"""One user is one user: what is popular is what many use, and a user id that everybody has is said."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from stream_rec.engine.learning.user_shares import UserShares
from stream_rec.schemas.columns import EventBatch
from tests.engine.worlds import Row, change, click, engine

DAY = 86_400.0


@pytest.mark.parametrize(("history_length", "between"), [(8, 0), (16, 0), (64, 0), (64, 1), (64, 3)])
def test_one_users_many_views_do_not_lead_the_lists(history_length: int, between: int) -> None:
    e = engine(history_length=history_length, train_sample=0.0)
    liked = [(f"u{n}", "liked", 10.0 * n) for n in range(30)]
    loud = [
        ("loud", item, 300.0 + n)
        for n in range(500)
        for item in ["bot's", *[f"b{m}" for m in range(between)]]
    ]
    click(e, *liked, *loud)
    assert e.popular(1).items == ["liked"]
    assert e.trending(1).items == ["liked"]


def test_who_comes_back_another_day_counts_like_anybody_else() -> None:
    e = engine(train_sample=0.0, session_gap_seconds=1800.0)
    for n in range(6):
        click(e, ("u", "song", DAY * n))
    decayed = sum(0.5**n for n in range(6))
    assert e.popular(1).scores == pytest.approx([decayed], rel=1e-3)


def test_ids_of_sessions_that_change_with_every_event_help_no_bot() -> None:
    e = engine(train_sample=0.0)
    click(e, *[(f"u{n}", "liked", 10.0 * n) for n in range(30)])
    for n in range(500):
        click(e, ("loud", "bot's", 300.0 + n), session=f"s{n}")
    assert e.popular(1).items == ["liked"]


def test_an_item_that_left_the_history_counts_again() -> None:
    e = engine(history_length=8, train_sample=0.0)
    click(e, ("u", "a", 0.0), ("u", "a", 1.0))
    assert e.popular(1).scores == pytest.approx([1.5], rel=1e-3)
    click(e, *[("u", f"i{n}", 2.0) for n in range(8)], ("u", "a", 2.0))
    assert e.popular(1).scores == pytest.approx([2.5], rel=1e-3)


def test_weights_count_as_they_are() -> None:
    e = engine(event_types={"purchase": {"weight": 3.0}})
    click(e, ("u", "a", 0.0), event_type="purchase")
    click(e, ("u", "b", 0.0))
    assert e.popular(2).scores == pytest.approx([3.0, 1.0])
    change(e, "a")
    assert e.popular(2).items == ["b"]


def test_an_event_of_weight_nothing_makes_nothing_popular() -> None:
    """`engine.event_types.dislike.weight = 0`: it counts nowhere, but it is an event all the same (docs/models.md)."""
    e = engine(event_types={"dislike": {"weight": 0.0}}, train_sample=0.0)
    click(e, *[(f"u{n}", "bad", 10.0 * n) for n in range(20)], event_type="dislike")
    click(e, ("v", "good", 300.0))
    assert e.popular(2).items == ["good"]
    assert e.trending(2).items == ["good"]
    assert e.n_learned == 21


def visits(shares: dict[str, int], n: int) -> list[Row]:
    """So many events out of a hundred by these users, the others by one each."""
    loud = [user for user, share in shares.items() for _ in range(share)]
    return [(loud[i % 100] if i % 100 < len(loud) else f"u{i}", f"i{i % 50}", 1.0 * i) for i in range(n)]


@pytest.mark.parametrize(
    ("shares", "n", "name"),
    [
        ({"undefined": 100}, 1_000, "undefined"),
        ({"NULL": 5, "anonymous": 12}, 1_000, "anonymous"),
        ({"bot-7": 30}, 10_000, "bot-7"),
    ],
)
@pytest.mark.parametrize("step", [100, 70])
def test_an_absurd_share_of_one_user_is_said_once(
    shares: dict[str, int], n: int, name: str, step: int
) -> None:
    watch, rows = UserShares(), visits(shares, 3 * n)
    with capture_logs() as logged:
        for start in range(0, len(rows), step):
            watch.look(EventBatch.of(rows[start : start + step]), 0)
    (line,) = logged
    assert line["user_id"] == name
    assert "%" in line["share"] and "id of its own" in line["fix"]


def test_the_largest_share_is_a_figure() -> None:
    e = engine(train_sample=0.0)
    assert e.stats()["loudest_user_share"] == 0.0
    watch = UserShares()
    watch.look(EventBatch.of(visits({"bot": 20, "other": 3}, 10_000)), 0)
    assert watch.largest == pytest.approx(0.2, abs=1 / 64)


@pytest.mark.parametrize("shares", [{}, {"bot": 20}, {"null": 4, "undefined": 4}])
def test_busy_users_are_no_news(shares: dict[str, int]) -> None:
    watch = UserShares()
    with capture_logs() as logged:
        watch.look(EventBatch.of(visits(shares, 30_000)), 0)
    assert logged == []


def test_what_was_learned_before_is_not_counted_again() -> None:
    watch, batch = UserShares(), EventBatch.of(visits({"bot": 90}, 10_000))
    watch.look(batch, len(batch))
    assert watch.largest == 0.0
