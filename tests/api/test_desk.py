"""Questions to the engine: bounded, in turn with learning, and nobody waits for what is given up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, cast

import pytest

from stream_rec.api.live import desk
from stream_rec.api.live.desk import Desk
from stream_rec.api.live.positions import Positions
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.schemas.columns import Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.sdk.wire import Written
from stream_rec.serve.wishes import Busy

AT = cast(Any, "at request")


def test_answers_and_errors_come_back() -> None:
    async def story() -> None:
        engine = EngineThread(cast(Any, "engine"))
        my = Desk(engine, AT, 4)
        assert await my.ask(lambda at: f"{at}: yes") == "at request: yes"
        with pytest.raises(KeyError):
            await my.ask(lambda _: {}["x"])
        engine.close()

    asyncio.run(story())


def test_questions_that_are_alike_are_asked_together() -> None:
    async def story() -> None:
        engine = EngineThread(cast(Any, "engine"))
        my, held, asked = Desk(engine, AT, 9), threading.Event(), []

        def ask(about: Sequence[int], _: object) -> list[int]:
            asked.append(list(about))
            return [-each for each in about]

        engine.submit(lambda _: held.wait(60))
        waiting = [asyncio.create_task(my.ask_together(ask, n, ("k", n % 2))) for n in range(1, 6)]
        await asyncio.sleep(0)
        held.set()
        assert await asyncio.gather(*waiting) == [-1, -2, -3, -4, -5]
        assert asked == [[1, 3, 5], [2, 4]]
        engine.close()

    asyncio.run(story())


def test_so_many_wait_and_no_more_and_who_left_is_not_answered() -> None:
    async def story() -> None:
        engine = EngineThread(cast(Any, "engine"))
        my, held, asked = Desk(engine, AT, 2), threading.Event(), []
        engine.submit(lambda _: held.wait(60))
        waiting = [asyncio.create_task(my.ask(lambda _, n=n: asked.append(n))) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await my.ask(asked.append)
        waiting[0].cancel()
        await asyncio.sleep(0)
        held.set()
        await waiting[1]
        assert asked == [1]
        engine.close()

    asyncio.run(story())


def test_learning_has_its_turn_between_many_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOST_AT_ONCE", 2)

    async def story() -> list[str]:
        engine = EngineThread(cast(Any, "engine"))
        my, held, done = Desk(engine, AT, 100), threading.Event(), []
        engine.submit(lambda _: held.wait(60))
        engine.submit(lambda _: done.append("slice"), followed=True)
        waiting = [asyncio.create_task(my.ask(lambda _: done.append("answer"))) for _ in range(5)]
        await asyncio.sleep(0)
        held.set()
        await asyncio.gather(*waiting)
        engine.close()
        return done

    assert asyncio.run(story()) == ["answer", "answer", "slice", "answer", "answer", "answer"]


def test_who_waits_for_an_event_is_woken_when_it_is_learned_and_not_before() -> None:
    async def story() -> None:
        my = Positions({TopicPartition("events", 0): 5, TopicPartition("items", 0): 50})
        assert await my.wait(Written(0, 4), 0)
        assert not await my.wait(Written(0, 5), 0)
        assert not await my.wait(Written(0, -1), 0)  # nobody knows where it stands
        assert await my.wait(None, 0)
        waiting = asyncio.create_task(my.wait(Written(0, 7), 60))
        await asyncio.sleep(0)
        my.learned(Span("items", 0, 0, 0, 100))
        my.learned(Span("events", 1, 0, 0, 100))
        my.learned(Span("events", 0, 0, 5, 7))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        my.learned(Span("events", 0, 0, 7, 8))
        assert await waiting
        assert my.knows(Written(1, 99))

    asyncio.run(story())
