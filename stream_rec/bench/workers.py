"""Workers of one group, each a process of its own, and what benches ask of them."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from stream_rec.bench.scrape import Scrape
from stream_rec.clock import SystemClock
from stream_rec.embedded.server import free_port
from stream_rec.embedded.worker import READY_SECONDS, WorkerProcess
from stream_rec.errors import Unavailable
from stream_rec.settings import Settings

STALL_SECONDS = 120.0
_STILL = "they stand still"
_POLL_SECONDS = 0.1
_PROBE_SECONDS = 2.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Workers:
    """Started at once; a context manager that ends them.

    Args:
        settings: of the running stack; its topics are there.
        n: how many.
        flags: `--set` for all of them.
    """

    def __init__(self, settings: Settings, n: int, flags: Sequence[str] = ()) -> None:
        self._n_partitions = settings.bus.partitions
        self._ports = [free_port() for _ in range(n)]
        self._workers: list[WorkerProcess] = []
        for port in self._ports:
            own = ["--set", f"measure.prometheus_port={port}"]
            self._workers.append(WorkerProcess(settings, [*own, *flags]))

    def wait_until_ready(self) -> None:
        """Return when all are ready, and each owns as many partitions of `events` as any other, or one less.

        Raises:
            ChildExited: one has ended.
            Unavailable: it took longer than `READY_SECONDS`.
        """
        fewest = self._n_partitions // len(self._ports)
        most = -(-self._n_partitions // len(self._ports))

        def is_ready() -> bool:
            if not all(map(_says_ready, self._ports)):
                return False
            owned = [one.count("partition_lag", topic="events") for one in self.scrapes()]
            return sum(owned) == self._n_partitions and fewest <= min(owned) and max(owned) <= most

        self._wait(is_ready, lambda: 0.0, "they do not get ready", READY_SECONDS)

    def wait_until_learned(self, n_events: int) -> None:
        """Return when every worker has learned so many events, its own and those of the others.

        Raises:
            ChildExited: one has ended.
            Unavailable: they made no progress for `STALL_SECONDS`.
        """
        self._wait(
            lambda: min(self.learned()) >= n_events, lambda: sum(self.learned()), _STILL, STALL_SECONDS
        )

    def wait_until_served(self, n_events: int) -> None:
        """Return when so many events have been served by those who own them. Raises as `wait_until_learned`."""
        self._wait(lambda: self.served() >= n_events, self.served, _STILL, STALL_SECONDS)

    def served(self) -> float:
        """Events learned by the workers that own them, all together."""
        return sum(one.sum("events_learned_total") for one in self.scrapes())

    def learned(self) -> list[float]:
        """Events that each worker has learned, its own and those of the others; a second late at most."""
        return [one.sum("engine", stat="events_learned") for one in self.scrapes()]

    def scrapes(self) -> list[Scrape]:
        """What each says now."""
        return [Scrape(port) for port in self._ports]

    def cpu_seconds(self) -> float:
        """Time on a processor, user and system, of all workers together since they began."""
        return sum(map(_cpu_seconds, (worker.pid for worker in self._workers)))

    def stop(self) -> None:
        """SIGTERM, all of them; nothing for those that have ended."""
        while self._workers:
            self._workers.pop().stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait(
        self, is_done: Callable[[], bool], progress: Callable[[], float], why: str, seconds: float
    ) -> None:
        clock = SystemClock()
        news_at, before = clock.monotonic(), 0.0
        while not is_done():
            for worker in self._workers:
                worker.check()
            if (now := progress()) > before:
                before, news_at = now, clock.monotonic()
            if clock.monotonic() - news_at > seconds:
                raise Unavailable("workers", why, waited_seconds=seconds)
            time.sleep(_POLL_SECONDS)


def _says_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=_PROBE_SECONDS) as page:
            return bool(page.status == 200)
    except OSError:  # not yet there, or 503
        return False


def _cpu_seconds(pid: int) -> float:
    # The program's name stands in brackets and may hold anything; user and system time are the 12th and 13th after it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
