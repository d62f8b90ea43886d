"""`stream-rec worker --bridge`: one process that bridges and learns, and ends if either cannot go on."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.settings import Settings
from tests.cli.running import run
from tests.consumers.bridge.bridging import bridged, clicks, make_topic, one_input, send
from tests.consumers.serving import SMALL, serve
from tests.toml import inline
from tests.waiting import wait_until_async

SLOW_SECONDS = 180.0


def fetched(url: str) -> str:
    """Empty if the server, on a machine that is busy, has cut us off before it had the answer."""
    with suppress(OSError, HTTPException), urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())
    return ""


def test_a_worker_learns_what_it_bridges(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    ensure_topics(bus)
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    send(bus.bootstrap, topic, clicks(300))
    settings = bridged(tansu_settings, bridge={**one_input(topic), "in_worker": True})

    engine = Engine(SMALL)

    async def until_learned(worker: Worker) -> None:
        def is_learned() -> bool:
            assert not worker.parts.shutdown.failed, worker.parts.shutdown.failure
            return sum(n for at, n in dict(engine.position).items() if at[0] == "events") == 300

        await wait_until_async(is_learned, SLOW_SECONDS, "300 events to be learned")
        shown, until = "", time.monotonic() + SLOW_SECONDS
        while not shown and time.monotonic() < until:
            shown = await asyncio.to_thread(fetched, worker.parts.metrics.url)
        assert f'stream_rec_bridge_messages_total{{topic="{topic}"}} 300.0' in shown

    assert serve(settings, engine, until_learned) == 0


def test_a_worker_whose_bridge_cannot_go_on_ends_with_its_exit_code(tansu_settings: Settings) -> None:
    settings = bridged(tansu_settings, bridge={**one_input("no-such-topic"), "in_worker": True})

    async def until_it_ends(worker: Worker) -> None:
        await wait_until_async(worker.parts.shutdown.stopping.is_set, SLOW_SECONDS, "the worker to end")
        assert "has no topic no-such-topic" in str(worker.parts.shutdown.failure)

    assert serve(settings, Engine(SMALL), until_it_ends) == 2


def test_a_shape_that_cannot_be_read_is_told_before_kernels_are_compiled(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    flags = [f"bridge={inline(one_input('shop', 'nativ'))}", f"bus.bootstrap={tansu_settings.bus.bootstrap}"]
    words = [word for flag in [*flags, f"store.url={tansu_settings.store.url}"] for word in ("--set", flag)]
    refused = run("worker", "--bridge", *words, folder=tmp_path, deadline_seconds=SLOW_SECONDS)
    assert refused.returncode == 2
    assert "there is no shape 'nativ'" in refused.stderr
