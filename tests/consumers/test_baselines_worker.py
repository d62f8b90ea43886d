"""What is normal, on real servers: a hand-over and a restart without snapshots lose nothing of it."""

from __future__ import annotations

import asyncio

import numpy as np

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.feedback.watches import Watch
from stream_rec.settings import Settings
from tests.consumers.group import split, until
from tests.consumers.parts import TINY
from tests.consumers.serving import serving

N_VALUES = 30_000


def watch(worker: Worker) -> Watch:
    return worker.parts.measures.watches.all()["served_hit_rate"]


def test_what_the_leader_has_learned_is_known_by_who_follows_and_by_who_starts_later(
    tansu_settings: Settings,
) -> None:
    settings = tansu_settings.model_copy(update={"engine": TINY})
    hits = (np.random.default_rng(1).random(N_VALUES) < 0.3).astype(np.float64)

    async def scenario() -> None:
        await asyncio.to_thread(ensure_topics, settings.bus)
        engines = [Engine(settings.engine, settings.measure) for _ in range(3)]
        async with serving(settings, engines[0]) as first, serving(settings, engines[1]) as second:
            await split(settings, first, second)
            leader, other = (first, second) if first.parts.table.leads else (second, first)
            now_ms = int(1000 * SystemClock().now())
            await leader.parts.engine.ask(lambda _: list(watch(leader).add(hits, now_ms)))
            await until(lambda: watch(other).n_values == N_VALUES, "what the leader knows")
            assert watch(other).snapshot() == watch(leader).snapshot()
        async with serving(settings, engines[2]) as third:
            await until(lambda: watch(third).n_values == N_VALUES, "what was known before")

    asyncio.run(scenario())
