"""Decisions on real servers: rules are in force without a restart, and a forgotten user is gone from every store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import redis

from stream_rec.bus.topics import ensure_topics
from stream_rec.engine.engine import Engine
from stream_rec.producers.scenarios.apply import Scenarios
from stream_rec.schemas.scenario import Scenario
from stream_rec.serve.forget import Forgetter
from stream_rec.settings import Settings, SnapshotSettings
from stream_rec.store.reader import Reader
from tests.consumers.group import served, until
from tests.consumers.parts import TINY
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.serving import serving

ANN = "ann-of-the-test"


def holders(url: str, wanted: str) -> list[str]:
    """Keys in Redis that name somebody, or whose value does."""
    found = []
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter():
            value = client.get(key) if client.type(key) == b"string" else b""
            if wanted.encode() in key or wanted.encode() in (value or b""):
                found.append(key.decode())
    return found


def naming_ann(folder: Path) -> list[Path]:
    """Files that hold the id; one that is being renamed or deleted counts as holding it."""
    found = []
    for file in folder.iterdir():
        try:
            holds = ANN.encode() in file.read_bytes()
        except FileNotFoundError:
            holds = True
        if holds:
            found.append(file)
    return found


def test_rules_come_and_go_and_a_user_is_forgotten(tansu_settings: Settings, tmp_path: Path) -> None:
    snapshot = SnapshotSettings(url=str(tmp_path / "snapshots"), min_seconds=0, every_events=10)
    engine_settings = TINY.model_copy(update={"max_users": 1_024, "max_items": 1_024})
    settings = tansu_settings.model_copy(update={"engine": engine_settings, "snapshot": snapshot})
    engine = Engine(settings.engine, settings.measure)
    of_ann = [event.__class__(ANN, event.item_id, "click", event.ts) for event in clicks(5)]
    reader = Reader(settings.store)

    async def scenario() -> None:
        await asyncio.to_thread(ensure_topics, settings.bus)
        async with serving(settings, engine):
            await asyncio.to_thread(publish_events, settings.bus, [*clicks(60, users=20), *of_ann])
            await served(settings, 65)
            await until(lambda: bool(list((tmp_path / "snapshots").glob("*.json"))), "a snapshot")
            scenarios = await asyncio.to_thread(Scenarios, settings)
            await asyncio.to_thread(scenarios.apply, {"home": Scenario(k=2)})
            await until(lambda: reader.slate(ANN, "home") is not None, "the slate of who is away")
            slate = reader.slate(ANN, "home")
            assert slate is not None
            assert (len(slate.items), slate.as_of.rules) == (2, 0)
            assert holders(settings.store.url, ANN)
            forgetter = await asyncio.to_thread(Forgetter, settings, reader)
            plan = await asyncio.to_thread(forgetter.plan, ANN)
            assert (plan.offset, "default, home" in plan.stores[1].removed) == (-1, True)
            receipt = await asyncio.to_thread(lambda: forgetter.forget(ANN, wait_seconds=30))
            assert receipt.is_whole
            (of_worker,) = receipt.workers.values()
            assert (of_worker.was_known, of_worker.events) == (True, 5)
            waits = {store.name for store in receipt.stores if store.waits}
            assert waits == {"events", "impressions", "slates", "snapshots"}
            assert all(store.until > receipt.ts for store in receipt.stores if store.waits)
            await until(lambda: holders(settings.store.url, ANN) == [], "redis to forget")
            await until(lambda: not naming_ann(tmp_path / "snapshots"), "the snapshots to forget")

    try:
        asyncio.run(scenario())
    finally:
        reader.close()
    assert not any(ANN.encode() in array.tobytes() for array in engine.snapshot().values())


def test_who_starts_from_the_beginning_of_the_log_obeys_before_learning(tansu_settings: Settings) -> None:
    settings = tansu_settings.model_copy(update={"engine": TINY})
    of_ann = [event.__class__(ANN, event.item_id, "click", event.ts) for event in clicks(5)]
    reader = Reader(settings.store)

    async def scenario() -> None:
        await asyncio.to_thread(ensure_topics, settings.bus)
        await asyncio.to_thread(publish_events, settings.bus, of_ann)
        forgetter = await asyncio.to_thread(Forgetter, settings, reader)
        receipt = await asyncio.to_thread(lambda: forgetter.forget(ANN, wait_seconds=0))
        assert receipt.workers == {}
        engine = Engine(settings.engine)
        async with serving(settings, engine):
            await served(settings, 5)
            assert engine.stats()["users"] == 0
            assert holders(settings.store.url, ANN) == []

    try:
        asyncio.run(scenario())
    finally:
        reader.close()
