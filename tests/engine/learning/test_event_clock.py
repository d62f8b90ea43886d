"""One absurd stamp moves nobody else's time: neither lists, nor sessions, nor who is active, nor who is evicted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.active import active_rows, user_ids
from stream_rec.engine.learning.event_clock import BELIEVED_USERS, JUMP_SECONDS
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.settings import EngineSettings

NOW, YEAR = 1.7e9, 365 * 86_400.0
SMALL = EngineSettings(max_users=64, max_items=64, train_sample=1.0)
Row = tuple[str, str, float]


def traffic(n: int = 300, begin: float = NOW) -> list[Row]:
    """Twenty users click their way through ten items, two seconds apart."""
    return [(f"user-{i % 20}", f"item-{i * i % 10}", begin + 2.0 * i) for i in range(n)]


def engine_of(rows: Sequence[Row], sizes: Sequence[int] = ()) -> Engine:
    engine, at = Engine(SMALL), 0
    for size in [*sizes, len(rows)]:
        part = rows[at : at + size]
        engine.learn(EventBatch.of(part, span=Span("events", 0, 0, at, at + len(part))))
        at += len(part)
    return engine


def with_absurd(rows: list[Row], at: int, ahead: float = YEAR) -> list[Row]:
    return [*rows[:at], ("absurd", "strange", NOW + ahead), *rows[at:]]


@pytest.mark.parametrize("at", [0, 1, 5, 150, 300])
@pytest.mark.parametrize("ahead", [4 * 86_400.0, YEAR, 1000 * YEAR])
def test_lists_and_active_users_are_as_if_the_stamp_were_right(at: int, ahead: float) -> None:
    engine = engine_of(with_absurd(traffic(), at, ahead))
    right = engine_of(traffic())
    assert engine.event_time < NOW + 3600
    assert engine.popular(5).items == right.popular(5).items
    assert "strange" not in engine.trending(20).items[:1]
    assert len(user_ids(engine, active_rows(engine, 1800.0))) == 21
    assert engine.stats()["stamps_not_believed"] == (at > 0)


def test_the_clock_of_a_user_with_an_absurd_stamp_goes_on_with_the_others() -> None:
    rows = traffic()
    engine = engine_of([*rows[:100], ("user-3", "item-1", NOW + YEAR), *rows[100:]])
    row = next(row for row, name in enumerate(user_ids(engine, active_rows(engine, 1e9))) if name == "user-3")
    assert row is not None
    assert engine.state.users.seen.max() < NOW + 3600


def test_after_a_long_pause_the_log_goes_on_as_soon_as_several_users_say_so() -> None:
    later = traffic(40, NOW + 30 * 86_400.0)
    engine = engine_of([*traffic(), *later])
    assert engine.event_time == later[-1][2]
    assert engine.stats()["stamps_not_believed"] == BELIEVED_USERS - 1


def test_one_user_alone_is_believed_later() -> None:
    alone = [("user-1", f"item-{i % 7}", NOW + 30 * 86_400.0 + i) for i in range(50)]
    assert engine_of([*traffic(), *alone[:20]]).event_time < NOW + 3600
    assert engine_of([*traffic(), *alone]).event_time == alone[-1][2]


def test_ordinary_pauses_move_the_clock_at_once() -> None:
    engine = engine_of([*traffic(), ("user-1", "item-1", NOW + JUMP_SECONDS)])
    assert engine.event_time == NOW + JUMP_SECONDS
    assert engine.stats()["stamps_not_believed"] == 0


absurd = st.tuples(st.integers(0, 60), st.sampled_from([-YEAR, 4 * 86_400.0, YEAR, 7 * YEAR]))


@settings(deadline=None)
@given(
    wrong=st.lists(absurd, max_size=30),
    sizes=st.lists(st.integers(1, 20), max_size=8),
)
def test_learning_stays_a_fold_whatever_the_stamps(wrong: list[tuple[int, float]], sizes: list[int]) -> None:
    rows = traffic(60)
    for at, ahead in wrong:
        rows.insert(at, (f"user-{at % 5}", f"item-{at % 7}", NOW + ahead))
    assert engine_of(rows).digest() == engine_of(rows, sizes).digest()


@settings(max_examples=30, deadline=None)
@given(wrong=st.lists(absurd, max_size=12), cut=st.integers(1, 70))
def test_a_restored_engine_judges_stamps_as_the_first_one(wrong: list[tuple[int, float]], cut: int) -> None:
    rows = traffic(60)
    for at, ahead in wrong:
        rows.insert(at, (f"user-{at % 5}", f"item-{at % 7}", NOW + ahead))
    whole, first, second = engine_of(rows), engine_of(rows[:cut]), Engine(SMALL)
    second.restore(first.snapshot(), first.position)
    rest = rows[cut:]
    second.learn(EventBatch.of(rest, span=Span("events", 0, 0, len(rows[:cut]), len(rows))))
    assert second.digest() == whole.digest()
