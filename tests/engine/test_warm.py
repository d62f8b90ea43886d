"""The process that compiles beside the first start."""

from __future__ import annotations

import subprocess
import sys

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
