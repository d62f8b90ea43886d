"""A slate from the session alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream_rec.schemas.records import SlateItem
from stream_rec.serve.fallback import MAX_SESSION_ITEMS, recent_items, session_slate
from stream_rec.store.encoding import ItemList, ListItem
from tests.store.building import as_of

NEIGHBOURS = {"a": ["x", "y"], "b": ["y", "z"], "c": ["a", "x"]}


def fused(session: Sequence[str]) -> list[SlateItem]:
    """The session's slate by the table above."""
    lists = [
        ItemList(as_of(0), "m", 0.0, tuple(ListItem(i, 1.0) for i in NEIGHBOURS[item]))
        if item in NEIGHBOURS
        else None
        for item in recent_items(session)
    ]
    return session_slate(session, lists)


def test_the_latest_item_weighs_most() -> None:
    assert [place.item_id for place in fused(["a", "b"])] == ["y", "z", "x"]


def test_scores_are_the_sum_of_reciprocal_ranks_by_age() -> None:
    (first, *_) = fused(["a", "b"])
    assert first.score == pytest.approx(1 / 61 + 1 / 2 / 62)
    assert first.reason.item_id == "b"


def test_items_of_the_session_are_left_out() -> None:
    assert [place.item_id for place in fused(["a", "c"])] == ["x", "y"]


def test_a_repeated_item_counts_at_its_latest_place() -> None:
    assert fused(["b", "a", "b"]) == fused(["a", "b"])


def test_unknown_items_and_empty_sessions_give_nothing() -> None:
    assert fused(["unknown"]) == []
    assert fused([]) == []


def test_of_a_long_session_only_the_latest_items_are_asked_for() -> None:
    session = [f"i{n}" for n in range(1000)]
    assert recent_items(session) == [f"i{n}" for n in range(999, 999 - MAX_SESSION_ITEMS, -1)]
