"""What happens to `items` and `impressions`: learned, kept over restarts, counted, or set aside with a reason."""

from __future__ import annotations

import asyncio
from functools import partial

from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.worker import Worker
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import DeadLetter, Impression, Interaction, Item, MetricPoint, Slate
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader
from stream_rec.telemetry.points import total
from tests.consumers.publishing import clicks, publish, publish_events
from tests.consumers.serving import SMALL, serve
from tests.reading import records

TS = 1_600_000_000.0


def small(settings: Settings) -> Settings:
    return settings.model_copy(update={"engine": SMALL})


async def until_committed(settings: Settings) -> None:
    """Everything that is in the log has been done."""
    while any(at.lag for at in await asyncio.to_thread(lag, settings.bus)):
        await asyncio.sleep(0.1)


def shown(settings: Settings, users: list[str]) -> set[str]:
    """All items of the users' slates."""
    reader = Reader(settings.store)
    slates: list[Slate | None] = [reader.slate(user, "default") for user in users]
    reader.close()
    assert all(slates)
    return {item.item_id for slate in slates if slate for item in slate.items}


def removed(settings: Settings, items: list[str]) -> set[str]:
    reader = Reader(settings.store)
    try:
        return reader.removed(items)
    finally:
        reader.close()


def test_a_removed_item_is_hidden_at_once_and_stays_away_after_a_restart(tansu_settings: Settings) -> None:
    """The next worker learns the catalogue's past before it writes a slate. An item that comes back is shown."""
    settings = small(tansu_settings)
    users = [f"u{n}" for n in range(20)]
    ensure_topics(settings.bus)

    async def first(_: Worker) -> None:
        publish_events(settings.bus, clicks(600, users=20, items=30))
        with Publisher(settings.bus) as publisher:
            publisher.publish_all(Item(f"i{item}", f"Item {item}") for item in range(30))
            await until_committed(settings)
            assert {"i3", "i4", "i5"} & shown(settings, users)
            publisher.remove_item("i3")
            publisher.publish(Item("i4", "Item 4", available=False))
            publisher.remove_item("i5")
            publisher.publish(Item("i5", "Item 5 again"))
        await until_committed(settings)
        assert removed(settings, ["i3", "i4", "i5"]) == {"i3", "i4"}

    async def second(_: Worker) -> None:
        publish_events(settings.bus, clicks(100, users=20, items=2, seed=2))
        await until_committed(settings)
        assert "i5" in shown(settings, users)
        assert not {"i3", "i4"} & shown(settings, users)

    assert serve(settings, None, first) == 0
    assert serve(settings, None, second) == 0


def test_a_removal_depends_on_nothing_else(tansu_settings: Settings) -> None:
    """JSON null under a key removes; an item that is not available is hidden, whatever is wrong beside it."""
    settings = small(tansu_settings)
    ensure_topics(settings.bus)

    async def scenario(_: Worker) -> None:
        hidden = [b'{"title":null,"available":false}', b'{"item_id":2,"tags":"red","ts":-1,"available":0}']
        values = [b"null", *hidden, b'{"item_id":"3","title":null,"tags":["a",null]}', b'{"available":"?"}']
        publish(settings.bus, "items", [(str(n).encode(), value) for n, value in enumerate(values)])
        await until_committed(settings)
        assert removed(settings, [str(n) for n in range(5)]) == {"0", "1", "2"}

    assert serve(settings, None, scenario) == 0
    assert [letter.reason for letter in records(settings.bus, "dead-letters", DeadLetter)] == ["wrong_type"]
    assert total(records(settings.bus, "metrics", MetricPoint), "parts_left_out") == (2, 2)


def test_impressions_and_later_clicks_become_a_click_through_rate(tansu_settings: Settings) -> None:
    settings = small(tansu_settings)
    ensure_topics(settings.bus)

    async def scenario(_: Worker) -> None:
        publish_events(settings.bus, clicks(50, users=10, items=20))
        with Publisher(settings.bus) as publisher:
            publisher.publish_all(
                Impression(f"s{user}", f"u{user}", TS + 100, ("i1", "i2", "i3")) for user in range(10)
            )
            await until_committed(settings)
            publisher.publish_all(Interaction(f"u{user}", "i2", "click", TS + 110) for user in range(4))
        await until_committed(settings)

    assert serve(settings, None, scenario) == 0
    points = records(settings.bus, "metrics", MetricPoint)
    assert total(points, "ctr", scenario="default") == (4, 10)
    assert total(points, "click_rank", scenario="default") == (8, 4)


def test_bad_items_and_impressions_are_set_aside_too(tansu_settings: Settings) -> None:
    settings = small(tansu_settings)
    ensure_topics(settings.bus)
    good = partial(encode, Item("i1", "one"))
    items = [(b"i1", good()), (b"", good()), (b"i1", b"{"), (b"i2", good())]
    shown_to = [(b"u1", b'{"slate_id": "s", "user_id": "u1", "ts": 1600000000, "items": []}'), (b"u1", None)]

    async def scenario(_: Worker) -> None:
        publish(settings.bus, "items", items)
        publish(settings.bus, "impressions", shown_to)
        await until_committed(settings)

    assert serve(settings, None, scenario) == 0
    letters = records(settings.bus, "dead-letters", DeadLetter)
    assert sorted((letter.topic, letter.reason) for letter in letters) == [
        ("impressions", "empty_value"),
        ("items", "key_mismatch"),
        ("items", "missing_key"),
        ("items", "not_json"),
    ]
