"""Why a worker ends."""

from __future__ import annotations

import asyncio

import pytest

from stream_rec.consumers.runtime.shutdown import Shutdown
from stream_rec.errors import Unavailable


def test_a_stop_is_no_failure() -> None:
    shutdown = Shutdown(asyncio.Event())
    shutdown.stopping.set()
    assert not shutdown.failed


def test_the_first_failure_ends_the_worker_and_is_the_reason() -> None:
    shutdown = Shutdown(asyncio.Event())
    first = Unavailable("kafka", "gone")
    shutdown.fail(first)
    shutdown.fail(ZeroDivisionError())
    assert shutdown.stopping.is_set()
    assert shutdown.failed
    assert shutdown.failure is first


def test_a_bug_is_shown_with_its_traceback_and_a_server_that_is_gone_is_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    Shutdown(asyncio.Event()).fail(Unavailable("kafka", "gone"))
    assert "bug" not in "".join(capfd.readouterr())
    Shutdown(asyncio.Event()).fail(ZeroDivisionError("on purpose"))
    said = "".join(capfd.readouterr())
    assert "this is a bug" in said
    assert "ZeroDivisionError" in said
