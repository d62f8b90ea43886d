"""Warming up is done once, and by another process beside the first start."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from stream_rec.engine import warm


def test_it_ends_with_the_process_that_started_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", warm.__name__], stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    assert ended.returncode == 1


def test_once_all_is_compiled_there_is_none() -> None:
    assert not warm._is_first_start()


def test_where_it_cannot_be_started_all_is_compiled_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/interpreter")
    done = []
    with warm._beside():
        done.append("here")
    assert done == ["here"]


def test_it_is_ended_and_what_goes_wrong_here_is_raised() -> None:
    with pytest.raises(ZeroDivisionError), warm._beside():
        raise ZeroDivisionError


def test_it_is_done_once_in_a_process_and_who_comes_meanwhile_waits() -> None:
    begun, done = Barrier(2), []

    @warm.once
    def work() -> None:
        begun.wait(30)
        done.append("once")

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(work), pool.submit(work)
        begun.wait(30)
        for each in (one, other):
            each.result(30)
            assert done == ["once"]


def test_what_went_wrong_is_tried_again() -> None:
    tried = []

    @warm.once
    def work() -> None:
        tried.append(len(tried))
        if len(tried) == 1:
            raise MemoryError

    with pytest.raises(MemoryError):
        work()
    work()
    work()
    assert tried == [0, 1]
