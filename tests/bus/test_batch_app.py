"""Agents of the app: Faust's own, and made without what a start need not do."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.bus.batch_app import BatchApp
from stream_rec.bus.epochs import Epochs
from stream_rec.bus.transport import BatchConsumer
from stream_rec.settings import BusSettings
from tests.bus.test_acks import Failures, Nobody


async def learn(batch: Fetched, consumer: BatchConsumer) -> None: ...


def test_each_topic_has_an_agent_and_none_is_looked_for_in_every_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look(*_: object) -> None:
        raise AssertionError("inspect.getmodule resolves the path of every module: half of a start")

    async def scenario() -> None:
        app = BatchApp(BusSettings(bootstrap="127.0.0.1:1"), Epochs(), Nobody(), Failures())
        monkeypatch.setattr(inspect, "getmodule", look)
        app.batches("events", learn)
        app.batches("items", learn)
        monkeypatch.undo()
        agents = list(app.agents.values())
        assert [agent.name for agent in agents] == [
            f"{__name__}.learn[events]",
            f"{__name__}.learn[items]",
        ]
        assert [list(agent.channel.topics) for agent in agents] == [["events"], ["items"]]
        assert [agent._on_error for agent in agents] == [app._on_agent_error] * 2

    asyncio.run(scenario())
