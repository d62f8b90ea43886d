"""The child that writes: it tells why it failed, is killed at its deadline, and dies with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stream_rec.history.snapshots.fork import WritingChild
from tests.waiting import wait_until

PARENT = """
import os, time
from stream_rec.history.snapshots.fork import WritingChild
_, full = os.pipe()
print(WritingChild([memoryview(bytes(1 << 20))], full).pid, flush=True)
time.sleep(600)
"""


def open_new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT)


def test_buffers_are_written_one_after_another(tmp_path: Path) -> None:
    parts = [os.urandom(n) for n in (1, 100_000, 7)]
    WritingChild([memoryview(part) for part in parts], open_new(tmp_path / "file")).wait(30)
    assert (tmp_path / "file").read_bytes() == b"".join(parts)


def test_a_full_disk_is_told() -> None:
    child = WritingChild([memoryview(b"x")], os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(OSError, match="No space left"):
        child.wait(30)


def blocked() -> WritingChild:
    """Nobody reads the pipe that it writes to."""
    _, full = os.pipe()
    return WritingChild([memoryview(bytes(1 << 20))], full)


def test_a_child_that_hangs_is_killed_at_its_deadline() -> None:
    child = blocked()
    with pytest.raises(TimeoutError, match=r"not written within 0\.1 s"):
        child.wait(0.1)
    assert not psutil.pid_exists(child.pid)
    child.kill()  # nothing any more


def test_a_child_that_was_killed_is_told() -> None:
    child = blocked()
    child.kill()
    with pytest.raises(OSError, match="killed by signal 9"):
        child.wait(30)


def test_signals_for_the_whole_group_do_not_end_it(tmp_path: Path) -> None:
    child = WritingChild([memoryview(b"whole")], open_new(tmp_path / "file"))
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(child.pid, number)
    child.wait(30)
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_the_parents_signals_are_as_before(tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    WritingChild([], open_new(tmp_path / "file")).wait(30)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_it_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    wait_until(lambda: not psutil.pid_exists(pid), 30, "the child to go")
