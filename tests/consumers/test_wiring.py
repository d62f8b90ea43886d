"""The composition root: complete objects, in one pass."""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
from collections.abc import Iterator

import pytest

from stream_rec.bus.topics import ensure_topics, log_id
from stream_rec.clock import SystemClock
from stream_rec.consumers import wiring
from stream_rec.consumers.periodic.snapshots import Start
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import Settings
from tests.consumers.parts import TINY


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """A Kafka client lives until it is collected."""
    yield
    gc.collect()


def test_nothing_is_set_on_a_finished_object_and_nothing_reads_what_comes_later() -> None:
    tree = ast.parse(inspect.getsource(wiring))
    found = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found += [ast.unparse(target) for target in targets if isinstance(target, ast.Attribute)]
    assert found == []


def test_a_worker_is_built_without_joining_or_learning(tansu_settings: Settings) -> None:
    settings = tansu_settings

    async def scenario() -> None:
        engine = Engine(TINY)
        counts = ensure_topics(settings.bus)
        parts = wiring.build(settings, counts, Start(engine, {}), asyncio.Event(), SystemClock())
        table = parts.table
        assert table.topic_ids == {name: log_id(settings.bus, name) for name in FOLLOWED}
        assert {name: table.count(name) for name in FOLLOWED} == {name: counts[name] for name in FOLLOWED}
        assert parts.app.consumer.epochs is table.epochs
        assert (table.owned, table.ready.is_set()) == (frozenset(), False)
        assert parts.health.live() == ""
        assert parts.health.ready() == "not in the group yet"
        assert len(parts.pipelines) == len(FOLLOWED)
        assert engine.position == {}
        parts.metrics.close()
        parts.emitter.close(5)
        parts.engine.close()
        await parts.redis.aclose()

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_said_with_the_setting_to_change(tansu_settings: Settings) -> None:
    async def scenario() -> None:
        counts = ensure_topics(tansu_settings.bus)
        start = Start(Engine(TINY), {})
        first = wiring.build(tansu_settings, counts, start, asyncio.Event(), SystemClock())
        measure = tansu_settings.measure.model_copy(update={"prometheus_port": first.metrics.port})
        taken = tansu_settings.model_copy(update={"measure": measure})
        with pytest.raises(ConfigError, match="cannot serve metrics"):
            wiring.build(taken, counts, start, asyncio.Event(), SystemClock())
        first.metrics.close()
        first.emitter.close(5)
        first.engine.close()

    asyncio.run(scenario())
