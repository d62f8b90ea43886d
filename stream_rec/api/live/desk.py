"""Questions to the engine, answered in its thread between two batches; how many may wait is bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeVar

from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.answering.at_request import AtRequest
from stream_rec.engine.engine import Engine
from stream_rec.serve.wishes import Busy

A = TypeVar("A")
T = TypeVar("T")

MOST_AT_ONCE = 16
"""Answered before learning has its turn again."""


class _Question(NamedTuple):
    """One that waits.

    Attributes:
        ask: answers it and those that are alike, given what each is about.
        about: what it is about.
        alike: equal for questions that `ask` may be given at a time; None = it is asked alone.
        answer: of this one.
    """

    ask: Callable[[Sequence[Any], AtRequest], Sequence[Any]]
    about: Any
    alike: Hashable
    answer: asyncio.Future[Any]


class _Done(NamedTuple):
    answer: asyncio.Future[Any]
    found: Any
    error: Exception | None


class Desk:
    """Takes questions in the event loop's thread, and has them answered in the engine's.

    Questions come before records that wait to be learned. While there are more of them than are answered at once,
    records have their turn in between: neither keeps the other waiting for long.

    Args:
        engine: the thread.
        at_request: answers there.
        most: questions that may wait.
    """

    def __init__(self, engine: EngineThread[Engine], at_request: AtRequest, most: int) -> None:
        self._engine = engine
        self._at_request = at_request
        self._most = most
        self._waiting: deque[_Question] = deque()
        self._is_answering = False
        self._loop = asyncio.get_running_loop()

    async def ask(self, question: Callable[[AtRequest], T]) -> T:
        """The answer. What the question raises is raised here.

        Raises:
            Busy: so many wait already.
        """
        return await self._asked(lambda _, at: [question(at)], None, None)

    async def ask_together(
        self, question: Callable[[Sequence[A], AtRequest], Sequence[T]], about: A, alike: Hashable
    ) -> T:
        """The same, asked once for all that wait and are alike.

        Args:
            question: given what each is about; its answers are in that order.
            about: what this one is about.
            alike: equal for questions that may be asked together.

        Raises:
            Busy: so many wait already.
        """
        return await self._asked(question, about, alike)

    async def _asked(
        self, ask: Callable[[Sequence[Any], AtRequest], Sequence[T]], about: Any, alike: Hashable
    ) -> T:
        if len(self._waiting) >= self._most:
            raise Busy(f"{self._most} requests wait for the engine")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Question(ask, about, alike, answer))
        if not self._is_answering:
            self._is_answering = True
            self._engine.submit(self._answer_some)
        return await answer

    def _answer_some(self, _: Engine) -> None:
        """Engine's thread."""
        groups: dict[Hashable, list[_Question]] = {}
        n = 0
        while self._waiting and n < MOST_AT_ONCE:
            each = self._waiting.popleft()
            if not each.answer.cancelled():  # else nobody waits for it any more
                groups.setdefault(each.alike or object(), []).append(each)
                n += 1
        done = [one for group in groups.values() for one in self._answered(group)]
        self._loop.call_soon_threadsafe(self._give, done)

    def _answered(self, group: Sequence[_Question]) -> list[_Done]:
        try:
            found = group[0].ask([each.about for each in group], self._at_request)
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            return [_Done(each.answer, None, error) for each in group]
        return [_Done(each.answer, one, None) for each, one in zip(group, found, strict=True)]

    def _give(self, done: Sequence[_Done]) -> None:
        for answer, found, error in done:
            if answer.done():
                continue
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found)
        self._is_answering = bool(self._waiting)
        if self._is_answering:
            self._engine.submit(self._answer_some, followed=True)
