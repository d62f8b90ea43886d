"""Lines go to what stderr is now, and one that cannot be written stops nothing."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator

import pytest
import structlog

from stream_rec import logs
from stream_rec.clock import ManualClock


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_logger_follows_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    logs.configure()
    log = logs.get("learn")
    log.info("one")
    monkeypatch.setattr(sys, "stderr", second)
    first.close()
    log.warning("two")
    logs.get("ingest").error("three")
    assert "two" in second.getvalue()
    assert "three" in second.getvalue()


def test_a_reader_that_has_gone_stops_nothing_and_what_was_lost_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    gone = os.fdopen(writing, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", gone)
    logs.configure()
    log = logs.get("learn")
    for _ in range(3):
        log.info("nobody reads this")
    back = io.StringIO()
    monkeypatch.setattr(sys, "stderr", back)
    log.info("somebody reads this")
    log.info("and this")
    lines = back.getvalue().splitlines()
    assert lines[0] == "stderr could not be written to: 3 lines of log are lost"
    assert len(lines) == 3
    with pytest.raises(BrokenPipeError):
        gone.close()


def test_no_stderr_at_all_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    logs.configure()
    logs.get("learn").error("nowhere to go")


def test_lines_of_a_frequent_event_are_as_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    lines = logs.Lines("serve", "request", ManualClock(1_700_000_000.25))
    for as_json in (True, False):
        logs.configure("info", as_json=as_json)
        lines.write(route='/"x"', ms=1.5)
        logs.get("serve").info("request", route='/"x"', ms=1.5)
        quick, usual = capsys.readouterr().err.splitlines()[-2:]
        if as_json:
            assert quick == json.dumps(json.loads(quick)), "spaces are where all lines have them"
            ours, theirs = json.loads(quick), json.loads(usual)
            assert ours.pop("timestamp") == "2023-11-14T22:13:20.250000Z"
            assert len(theirs.pop("timestamp")) == len("2023-11-14T22:13:20.250000Z")
            assert ours == theirs
        else:
            assert quick.split()[1:4] == usual.split()[1:4] == ["[info", "]", "request"]
            assert set(quick.split()[4:]) == {'route=/"x"', "ms=1.5", "stage=serve"}
    logs.configure("warning")
    lines.write(ms=1.5)
    assert capsys.readouterr().err == ""
    logs.configure("info")
