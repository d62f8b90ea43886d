"""What every embedded server keeps to: its own port, this machine only, nothing left behind but a failure's log."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stream_rec.embedded.child_process import ChildExited
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.embedded.server import Server, ServerFolder, free_port, start_on_free_port
from tests.embedded.parent import KINDS
from tests.waiting import wait_until

REDIS = shutil.which("redis-server") or str(Path(sys.executable).with_name("redis-server"))


@pytest.mark.parametrize("kind", ["tansu", "redis"])
def test_it_leaves_nothing_behind(kind: str) -> None:
    server: Server = KINDS[kind].start()
    folder = server.log_path.parent
    assert folder.exists()
    server.stop()
    assert not folder.exists()
    assert not psutil.pid_exists(server.pid)


def test_a_port_that_is_lost_before_it_is_bound_is_given_up_for_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as thief:
        ports = [thief.getsockname()[1]]

        def start(port: int, folder: ServerFolder) -> RedisServer:
            return RedisServer(ports.pop() if ports else port, REDIS, folder)

        with start_on_free_port("redis", None, start) as server:
            assert server.pid
        assert not ports


def test_a_port_that_is_lost_every_time_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as thief:
        taken = thief.getsockname()[1]
        with pytest.raises(ChildExited, match="in use"):
            start_on_free_port("redis", None, lambda _, folder: RedisServer(taken, REDIS, folder))


def test_another_program_that_answers_on_the_port_is_not_taken_for_the_server(redis_url: str) -> None:
    taken = int(redis_url.rpartition(":")[2].partition("/")[0])
    folder = ServerFolder("redis")
    with pytest.raises(ChildExited):
        RedisServer(taken, REDIS, folder)
    folder.close(failed=False)


def test_the_log_of_a_server_that_crashed_is_kept() -> None:
    server = RedisServer.start()
    psutil.Process(server.pid).kill()
    wait_until(lambda: server._child.exit_code is not None, 10, "the crash")
    server.stop()
    assert "Ready to accept connections" in server.log_path.read_text()
    shutil.rmtree(server.log_path.parent)


def test_logs_stay_where_the_caller_wants_them(tmp_path: Path) -> None:
    with RedisServer.start(tmp_path / "logs") as server:
        pass
    assert server.log_path.parent == tmp_path / "logs"
    assert server.log_path.stat().st_size > 0


def test_data_that_a_killed_parent_left_is_removed_by_the_next_start() -> None:
    program = "from stream_rec.embedded.server import ServerFolder; f = ServerFolder('orphan')"
    program += "; print(f.data, flush=True)"
    wait = "; import signal; signal.pause()"
    parent = subprocess.Popen([sys.executable, "-c", program + wait], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    data = Path(parent.stdout.readline().strip())
    ServerFolder("next").close(failed=False)
    assert data.exists()  # its parent is alive
    parent.kill()
    parent.wait()
    parent.stdout.close()
    ServerFolder("next").close(failed=False)
    assert not data.exists()
    shutil.rmtree(data.parent)


def test_free_ports_are_below_those_the_system_gives_to_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < lowest for _ in range(20))
