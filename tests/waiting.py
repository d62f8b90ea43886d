"""Waiting for a condition instead of sleeping for luck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], T], deadline_seconds: float = 30.0, what: str = "the condition") -> T:
    """The first truthy answer of `condition`.

    Raises:
        AssertionError: none came in time; says what was waited for and the last answer.
    """
    end = time.monotonic() + deadline_seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {deadline_seconds:g} s for {what}; last answer: {answer!r}"
        time.sleep(POLL_SECONDS)
    return answer


async def wait_until_async(
    condition: Callable[[], T], deadline_seconds: float = 30.0, what: str = "the condition"
) -> T:
    """The same inside an event loop, which goes on meanwhile."""
    end = time.monotonic() + deadline_seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {deadline_seconds:g} s for {what}; last answer: {answer!r}"
        await asyncio.sleep(POLL_SECONDS)
    return answer
