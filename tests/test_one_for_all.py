"""One server for several processes: here threads, for the locks are of open files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.one_for_all import one_for_all


class Servers:
    """Counts them."""

    def __init__(self) -> None:
        self.n_started = self.n_running = 0

    @contextmanager
    def start(self) -> Iterator[str]:
        self.n_started += 1
        self.n_running += 1
        yield f"server {self.n_started}"
        self.n_running -= 1


def test_the_first_starts_it_and_stops_it_once_nobody_uses_it(tmp_path: Path) -> None:
    servers, leave = Servers(), threading.Event()
    entered = threading.Event()

    def owner() -> None:
        with one_for_all(tmp_path / "server", servers.start):
            entered.set()
            leave.wait(30)

    owning = threading.Thread(target=owner)
    owning.start()
    assert entered.wait(30)
    with one_for_all(tmp_path / "server", servers.start) as address:
        leave.set()
        owning.join(0.5)
        assert (address, servers.n_started, servers.n_running) == ("server 1", 1, 1)
    owning.join(30)
    assert servers.n_running == 0
    with one_for_all(tmp_path / "server", servers.start) as address:
        assert address == "server 2"


def test_where_it_cannot_be_started_the_next_one_tries_again(tmp_path: Path) -> None:
    @contextmanager
    def fails() -> Iterator[str]:
        raise OSError
        yield ""

    with pytest.raises(OSError), one_for_all(tmp_path / "server", fails):
        pass
    with one_for_all(tmp_path / "server", Servers().start) as address:
        assert address == "server 1"
