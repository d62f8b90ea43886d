"""An alarm on real servers: whoever finds it, every worker does the same, and slates go back as it is ended."""

from __future__ import annotations

import asyncio
import json

import msgspec

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.engine.engine import Engine
from stream_rec.feedback.watches import Change
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.alarm import Alarm
from stream_rec.schemas.records import Control, Interaction
from stream_rec.settings import AlarmSettings, Settings
from stream_rec.store.reader import Reader
from tests.cli.running import addresses, run
from tests.consumers.group import served, split, until
from tests.consumers.parts import TINY
from tests.consumers.serving import serving

N = 40
USERS = [f"user-{n}" for n in range(N)]


def publish(settings: Settings, n: int) -> None:
    now = SystemClock().now()
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish_all(Interaction(USERS[i % N], f"item-{i * 7 % 23}", "view", now) for i in range(n))


def explored(reader: Reader) -> set[bool]:
    """Of the slates of all users: has chance a say in any?"""
    slates = [reader.slate(user, "default") for user in USERS]
    return {slate is not None and any(item.propensity for item in slate.items) for slate in slates}


def slates(reader: Reader) -> set[tuple[str, ...]]:
    """Items of all users' slates: how many different ones there are."""
    found = [reader.slate(user, "default") for user in USERS]
    return {tuple(item.item_id for item in slate.items) for slate in found if slate is not None}


def take_over(settings: Settings) -> None:
    """As the owner of `control` says when quality is below the floor."""
    now = SystemClock().now()
    alarm = Alarm("quality", "drop", now - 60, 0.01, 0.1, until=now + 3600, popular=True)
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish(Control("alarm", "quality", now, msgspec.to_builtins(alarm), by="floor"))


def due(engine: Engine) -> int:
    return len(engine.decisions.alarms.due)


async def go_on(settings: Settings) -> None:
    """An event now and then: what is due waits for the broker's time."""
    while True:
        await asyncio.to_thread(publish, settings, 1)
        await asyncio.sleep(0.2)


def test_every_worker_does_what_the_record_says_and_slates_explore_until_it_is_ended(
    tansu_settings: Settings,
) -> None:
    alarm = AlarmSettings(exploration=0.5, reset=("transitions",), floor=1e-9)
    settings = tansu_settings.model_copy(update={"engine": TINY, "alarm": alarm})
    engines = [Engine(settings.engine, settings.measure) for _ in range(2)]
    reader = Reader(settings.store)

    async def scenario() -> None:
        await asyncio.to_thread(ensure_topics, settings.bus)
        async with serving(settings, engines[0]) as first, serving(settings, engines[1]) as second:
            await split(settings, first, second)
            await asyncio.to_thread(publish, settings, 3 * N)
            await served(settings, 3 * N)
            assert explored(reader) == {False}
            fall = Change("served_hit_rate", "drop", int(1000 * (SystemClock().now() - 60)), 0.2, 0.3)
            second.parts.measures.watches.tell(fall)
            for engine in engines:
                await until(lambda e=engine: "served_hit_rate" in e.decisions.alarms.in_force, "the alarm")
                assert due(engine) == 1
            await until(lambda: explored(reader) == {True}, "slates of chance")
            figures = [worker.parts.measures.figures for worker in (first, second)]
            told = ({"alarm": "served_hit_rate", "direction": "drop"}, fall.since_ms / 1000)
            await until(
                lambda: any(told in each().gauges.get("alarm_since", ()) for each in figures), "figures"
            )
            going_on = asyncio.create_task(go_on(settings))
            await until(lambda: not any(map(due, engines)), "an event that is late enough")
            going_on.cancel()
            ended = await asyncio.to_thread(run, "alarm", "list", "--json", environment=addresses(settings))
            assert json.loads(ended.stdout)["served_hit_rate"]["reset"] == ["transitions"], ended.stderr
            ended = await asyncio.to_thread(
                run, "alarm", "end", "served_hit_rate", environment=addresses(settings)
            )
            assert ended.returncode == 0, ended.stderr
            assert "served_hit_rate: taken back as of control offset" in ended.stdout
            await until(lambda: explored(reader) == {False}, "slates as scenarios say")
            assert not any(engine.decisions.alarms.in_force for engine in engines)
            assert len(slates(reader)) > 2
            await asyncio.to_thread(take_over, settings)
            await until(lambda: len(slates(reader)) <= 2, "what is popular, as each worker knows it")
            ended = await asyncio.to_thread(run, "alarm", "end", "quality", environment=addresses(settings))
            assert ended.returncode == 0, ended.stderr
            await until(lambda: len(slates(reader)) > 2, "slates of their own")
            again = await asyncio.to_thread(
                run, "alarm", "end", "served_hit_rate", environment=addresses(settings)
            )
            assert again.returncode == 2
            assert "no alarm 'served_hit_rate' is in force" in again.stderr

    try:
        asyncio.run(scenario())
    finally:
        reader.close()
