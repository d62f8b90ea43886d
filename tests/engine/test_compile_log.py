"""Minutes of compiling are told."""

from __future__ import annotations

import threading

import numba
from structlog.testing import capture_logs

from stream_rec.engine.compile_log import told
from tests.waiting import wait_until

FIRST = "compiling the engine, some 300 kernels, once after an installation"


def test_what_takes_long_is_told_when_it_begins_meanwhile_and_at_its_end() -> None:
    with capture_logs() as logged, told(after_seconds=0.0, every_seconds=0.01):
        assert numba.njit(lambda x: x + 1)(1) == 2
        wait_until(lambda: len(logged) >= 3)
    events = [line["event"] for line in logged]
    assert events[0].startswith(FIRST)
    assert set(events[1:-1]) == {"still compiling"}
    assert events[-1] == "compiled"
    assert logged[-1]["kernels"] == 1


def test_what_is_compiled_already_is_loaded_without_a_word() -> None:
    compiled = numba.njit(lambda x: x + 2)
    assert compiled(1) == 3
    before = threading.active_count()
    with capture_logs() as logged, told(after_seconds=0.0, every_seconds=0.01):
        assert compiled(2) == 4
    assert logged == []
    assert threading.active_count() == before
