"""Event types on real servers: what a user never wants to see is gone on every path, also after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import redis

from stream_rec.bus.topics import ensure_topics
from stream_rec.engine.engine import Engine
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.producers.scenarios.apply import Scenarios
from stream_rec.schemas.records import Interaction
from stream_rec.schemas.scenario import Pin, Scenario
from stream_rec.serve.client import Client
from stream_rec.settings import EngineSettings, Settings, SnapshotSettings
from stream_rec.store.keys import NEVER
from stream_rec.store.reader import Reader
from tests.consumers.group import served, until
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.serving import serving

TYPES = {
    "dislike": {"meaning": "negative"},
    "hide": {"meaning": "never"},
    "unhide": {"meaning": "undo:hide"},
    "scroll": {"meaning": "ignore"},
}
RULED = {
    "home": Scenario(k=40, filter="true"),
    "pinned": Scenario(k=40, pins=(Pin("i3", 1),)),
    "again": Scenario(k=40, logic="buy_again"),
    "unbought": Scenario(k=40, leave_out_seen=("purchase",)),
}
BAD, ANN = "i3", "ann"


def said(kind: str, item: str, at: int) -> Interaction:
    return Interaction(ANN, item, kind, 1_600_000_500.0 + at)


def test_a_never_holds_on_every_path_and_what_was_bought_is_left_out(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    bounds = {"max_users": 1_024, "max_items": 1_024, "event_types": TYPES}
    snapshot = SnapshotSettings(url=str(tmp_path / "snapshots"), min_seconds=0, every_events=10)
    settings = tansu_settings.model_copy(
        update={"engine": EngineSettings.model_validate(bounds), "snapshot": snapshot}
    )
    reader, client = Reader(settings.store), Client(settings.store)
    first, second = (Engine(settings.engine, settings.measure) for _ in range(2))
    others = clicks(60, users=20, items=20)
    of_ann = [
        said("click", "i1", 0),
        said("purchase", "i2", 1),
        said("click", BAD, 2),
        said("purchase", BAD, 3),
    ]

    def shown() -> dict[str, list[str]]:
        slates = {name: reader.slate(ANN, name) for name in ("default", *RULED)}
        return {
            name: [i.item_id for i in slate.items] if slate else ["no slate"]
            for name, slate in slates.items()
        }

    def is_hidden() -> bool:
        return all(slate != ["no slate"] and BAD not in slate for slate in shown().values())

    async def before() -> None:
        async with serving(settings, first):
            await asyncio.to_thread(publish_events, settings.bus, [*others, *of_ann])
            scenarios = await asyncio.to_thread(Scenarios, settings)
            await asyncio.to_thread(scenarios.apply, RULED)
            await served(settings, 64)
            await until(lambda: shown()["pinned"][0] == BAD, "the rules")
            assert shown()["again"][:2] == [BAD, "i2"]
            assert not {"i2", BAD} & {*shown()["unbought"]}
            assert "i1" in shown()["unbought"]
            await asyncio.to_thread(
                publish_events, settings.bus, [said("hide", BAD, 4), said("scroll", "i9", 5)]
            )
            await served(settings, 66)
            await until(is_hidden, "what is hidden to go")
        assert SnapshotStore(snapshot).list()

    async def after() -> None:
        SnapshotStore(snapshot).load(SnapshotStore(snapshot).list()[0].name, second)
        with redis.Redis.from_url(settings.store.url) as raw:
            raw.flushall()
        async with serving(settings, second):
            await asyncio.to_thread(publish_events, settings.bus, [said("click", "i4", 6)])
            await served(settings, 67)
            await until(is_hidden, "slates after the restart")
            assert second.event_types.names == first.event_types.names
            with redis.Redis.from_url(settings.store.url) as raw:
                for name in ("default", *RULED):
                    raw.delete(f"rec:{name}:{ANN}")
            await until(lambda: bool(client.popular()), "lists")
            answers = [client.recommendations(ANN), client.recommendations(ANN, session=["i4", "i2"])]
            assert [answer.origin for answer in answers] != ["personal", "personal"]
            assert not [answer for answer in answers if BAD in [i.item_id for i in answer.items]]
            await asyncio.to_thread(publish_events, settings.bus, [said("unhide", BAD, 7)])
            await served(settings, 68)
            await until(lambda: shown()["pinned"][0] == BAD, "what is shown again")
            nevers = reader.slate(ANN, NEVER)
            assert nevers is not None
            assert nevers.items == ()

    try:
        ensure_topics(settings.bus)
        asyncio.run(before())
        asyncio.run(after())
    finally:
        reader.close()
        client.close()
