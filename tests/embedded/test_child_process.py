"""Child processes: none survives its parent, and a failure says where to look."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stream_rec.embedded.child_process import Child, ChildExited
from stream_rec.errors import Unavailable
from tests.kafka import need_a_jvm
from tests.waiting import wait_until


def shell(script: str, tmp_path: Path) -> Child:
    return Child.start("script", ["/bin/sh", "-c", script], log_path=tmp_path / "script.log")


@pytest.mark.parametrize("servers", [["tansu", "redis"], pytest.param(["kafka"], marks=pytest.mark.kafka)])
def test_servers_of_a_killed_process_die_with_it_and_not_with_the_thread_that_started_them(
    servers: list[str],
) -> None:
    if "kafka" in servers:
        need_a_jvm()
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.embedded.parent", *servers], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()[: len(servers)]]
    parent.stdout.close()
    assert len(pids) == len(servers)
    assert all(map(alive, pids))
    assert {ip for pid in pids for ip in listening(pid)} == {"127.0.0.1"}
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(map(alive, pids)), 10, f"the end of {servers}")


def listening(pid: int) -> set[str]:
    connections = psutil.Process(pid).net_connections()
    return {c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN}


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_child_that_ends_before_it_is_ready_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = shell("echo no such disk; exit 3", tmp_path)
    with pytest.raises(ChildExited, match=r"exited with 3; log .*script\.log ends:\nno such disk"):
        child.wait_ready(lambda: False, 30)
    assert child.failed


def test_a_child_that_is_not_ready_in_time_is_killed(tmp_path: Path) -> None:
    child = shell("sleep 60", tmp_path)
    with pytest.raises(Unavailable, match=r"script is unavailable after .*: it does not answer; log"):
        child.wait_ready(lambda: False, 0.05)
    assert child.exit_code == -9


def test_a_child_that_ignores_sigterm_is_killed_with_all_its_own_children(tmp_path: Path) -> None:
    child = shell("trap '' TERM; sleep 60 & echo $!; wait; wait", tmp_path)
    wait_until(lambda: child.log_path.read_text().strip(), 10, "the grandchild")
    child.stop(deadline_seconds=0.05)
    assert child.failed
    wait_until(lambda: not alive(int(child.log_path.read_text())), 10, "the grandchild's end")


def test_a_child_that_obeys_sigterm_has_not_failed(tmp_path: Path) -> None:
    child = shell("exec sleep 60", tmp_path)
    wait_until(lambda: psutil.Process(child.pid).name() == "sleep", 10, "sleep")
    child.stop()
    assert not child.failed


def test_a_child_gets_the_environment_it_is_given_and_no_other(tmp_path: Path) -> None:
    program = ["/usr/bin/env"]
    child = Child.start("env", program, log_path=tmp_path / "env.log", environment={"ONLY": "this"})
    wait_until(lambda: child.exit_code is not None, 10, "its end")
    assert child.log_path.read_text() == "ONLY=this\n"


def test_ctrl_c_at_the_terminal_does_not_reach_a_child(tmp_path: Path) -> None:
    child = shell("exec sleep 60", tmp_path)
    assert os.getpgid(child.pid) != os.getpgid(0)
    child.stop()
