"""Items and impressions that stand among a log's events keep their places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream_rec.offline.datasets.files import Beside
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.in_time import SortedSource
from stream_rec.offline.datasets.shaped import ShapedSource
from stream_rec.schemas.records import Impression, Item
from stream_rec.settings import ShapeSettings


def item(name: str, ts: int = 0) -> dict[str, Any]:
    return {"event": "item", "id": f"m-{name}", "timestamp": str(1_700_000_000_000 + ts * 1000), "item": name,
            "fields": [{"name": "title", "value": name.upper()}]}  # fmt: skip


def click(user: str, name: str, ts: int) -> dict[str, Any]:
    return {"event": "interaction", "type": "click", "id": f"c-{ts}", "timestamp": str(1_700_000_000_000 + ts * 1000),
            "user": user, "session": "s", "item": name}  # fmt: skip


def ranking(user: str, ts: int) -> dict[str, Any]:
    return {"event": "ranking", "id": f"r-{ts}", "timestamp": str(1_700_000_000_000 + ts * 1000), "user": user,
            "session": "s", "items": [{"id": "a"}, {"id": "b"}]}  # fmt: skip


def source(folder: Path, rows: list[dict[str, Any]]) -> ShapedSource:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ShapedSource.of(path, ShapeSettings(preset="metarank"), "metarank")


def places(beside: list[Beside]) -> list[tuple[int, str]]:
    names = []
    for one in beside:
        assert isinstance(one.record, Item | Impression)
        names.append(one.record.item_id if isinstance(one.record, Item) else one.record.slate_id)
    return list(zip([one.position for one in beside], names, strict=True))


ROWS = [item("a"), ranking("u", 1), click("u", "a", 2), item("b"), click("v", "b", 3), ranking("v", 4)]


def test_each_stands_before_the_event_that_follows_it(tmp_path: Path) -> None:
    [chunk] = source(tmp_path, ROWS).chunks()
    assert chunk.log["item_id"].to_list() == ["a", "b"]
    assert places(list(chunk.beside)) == [(0, "a"), (0, "r-1"), (1, "b"), (2, "r-4")]


def test_who_goes_on_at_an_event_gets_what_stands_before_it_and_nothing_earlier(tmp_path: Path) -> None:
    [chunk] = source(tmp_path, ROWS).chunks(1)
    assert chunk.log["item_id"].to_list() == ["b"]
    assert places(list(chunk.beside)) == [(1, "b"), (2, "r-4")]


@pytest.mark.parametrize("run_rows", [1000, 1])
def test_sorted_by_time_items_come_first_and_impressions_before_what_follows_them(
    tmp_path: Path, run_rows: int
) -> None:
    rows = [
        click("v", "b", 30),
        ranking("u", 10),
        click("u", "a", 20),
        item("b", 99),
        ranking("v", 25),
        ranking("v", 40),
    ]
    beside: list[Beside] = []
    items: list[str] = []
    for chunk in SortedSource(source(tmp_path, rows), run_rows).chunks():
        items += chunk.log["item_id"].to_list()
        beside += chunk.beside
    assert items == ["a", "b"]
    assert places(beside) == [(0, "b"), (0, "r-10"), (1, "r-25"), (2, "r-40")]


def test_a_log_of_items_alone_sorted_gives_them(tmp_path: Path) -> None:
    [chunk] = SortedSource(source(tmp_path, [item("a"), item("b")])).chunks()
    assert places(list(chunk.beside)) == [(0, "a"), (0, "b")]


def test_the_first_events_come_with_what_stands_before_them_in_any_order_of_users(tmp_path: Path) -> None:
    rows = [
        click("u", "a", 1),
        click("u", "b", 2),
        item("c"),
        click("v", "c", 3),
        item("d"),
        click("v", "d", 4),
    ]
    log = FirstEvents.of(source(tmp_path, rows), 3)
    assert places(log.catalogue) == [(2, "c")]
    mixed = log.side_by_side(2)
    assert mixed.frame["item_id"].to_list() == ["a", "c", "b"]
    assert places(mixed.catalogue) == [(1, "c")]


def test_a_log_that_is_read_merges_nobody(tmp_path: Path) -> None:
    """Who was who is decided now; a log says who was it then."""
    at = "2023-11-14T22:13:20Z"
    rows = [
        {"type": "identify", "userId": "ann", "anonymousId": "c-1", "messageId": "m", "timestamp": at},
        {"type": "track", "event": "Product Viewed", "anonymousId": "c-1", "messageId": "n", "timestamp": at,
         "properties": {"product_id": "tea"}},
    ]  # fmt: skip
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    log = ShapedSource.of(path, ShapeSettings(preset="segment", merge=True), "web")
    [chunk] = log.chunks()
    assert chunk.log["user_id"].to_list() == ["c-1"]
    assert not chunk.beside
