"""Waiting for a condition instead of sleeping for luck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

POLL_SECONDS, MOST_POLL_SECONDS = 0.02, 0.5
REST = 2
"""Times as long as a look at the condition took: whoever is waited for needs the processor more."""


def wait_until(condition: Callable[[], T], deadline_seconds: float = 30.0, what: str = "the condition") -> T:
    """The first truthy answer of `condition`.

    Raises:
        AssertionError: none came in time; says what was waited for and the last answer.
    """
    looks = _Looks(condition, deadline_seconds, what)
    while not looks.look():
        time.sleep(looks.pause)
    return looks.answer


async def wait_until_async(
    condition: Callable[[], T], deadline_seconds: float = 30.0, what: str = "the condition"
) -> T:
    """The same inside an event loop, which goes on meanwhile."""
    looks = _Looks(condition, deadline_seconds, what)
    while not looks.look():
        await asyncio.sleep(looks.pause)
    return looks.answer


class _Looks:
    """Looks at a condition; `pause` is the time until the next."""

    answer: Any

    def __init__(self, condition: Callable[[], object], deadline_seconds: float, what: str) -> None:
        self._condition, self._what, self._deadline_seconds = condition, what, deadline_seconds
        self._end = time.monotonic() + deadline_seconds
        self.pause = POLL_SECONDS

    def look(self) -> bool:
        began = time.monotonic()
        self.answer = self._condition()
        if self.answer:
            return True
        now = time.monotonic()
        assert now < self._end, (
            f"waited {self._deadline_seconds:g} s for {self._what}; last answer: {self.answer!r}"
        )
        self.pause = min(max(POLL_SECONDS, REST * (now - began)), MOST_POLL_SECONDS)
        return False
