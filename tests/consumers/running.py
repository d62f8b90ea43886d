"""Workers as processes of their own, and what can be seen of them from outside."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from stream_rec.bus.lag import lag
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.schemas.records import Slate
from stream_rec.settings import Settings
from stream_rec.store.last_values import LastValues
from stream_rec.store.reader import Reader
from tests.forked.process import start
from tests.toml import inline
from tests.waiting import wait_until

READY_SECONDS = 200.0
"""The first worker on a machine compiles the engine's kernels."""


class Worker:
    """`stream-rec worker` with these settings; its log is a file."""

    def __init__(
        self, settings: Settings, log: Path, common: Sequence[str] = (), *, fresh: bool = False
    ) -> None:
        self._log = log
        with log.open("ab") as out:
            self._process = start([*common, "worker", *flags(settings)], fresh=fresh, stdout=out, stderr=out)

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text()

    def owned(self) -> set[str]:
        """Topic-partitions that the worker said last that it serves."""
        said = re.findall(r"owned='?([^'\n]*?)'? stage", self.log())
        return set(said[-1].split(", ")) if said else set()

    def wait_serving(self) -> Worker:
        def is_serving() -> bool:
            assert self._process.poll() is None, f"the worker ended:\n{self.log()}"
            return bool(self.owned())

        wait_until(is_serving, READY_SECONDS, "the worker to serve")
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def listens_on(self) -> list[str]:
        """Addresses that the process takes connections on."""
        found = psutil.Process(self._process.pid).net_connections("inet")
        return [socket.laddr.ip for socket in found if socket.status == psutil.CONN_LISTEN]

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> tuple[int, float]:
        """SIGTERM: the exit code, and the seconds it took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(30)
        return code, time.monotonic() - began


def flags(settings: Settings) -> Iterator[str]:
    """Every setting that is not at its default, as flags."""
    defaults = Settings().model_dump(mode="json")
    for branch, values in settings.model_dump(mode="json").items():
        for key, value in values.items():
            if value != defaults[branch][key]:
                yield from ("--set", f"{branch}.{key}={inline(value)}")


@contextmanager
def running(settings: Settings, folder: Path, name: str = "worker") -> Iterator[Worker]:
    """A worker that serves; killed at the end if it still runs, and its log shown if a test fails."""
    worker = Worker(settings, folder / f"{name}.log")
    try:
        yield worker.wait_serving()
    finally:
        if worker.is_alive():
            worker.kill()
        print(f"--- log of {name} ---\n{worker.log()}")


@contextmanager
def down(server: RedisServer, *, keep_data: bool = True) -> Iterator[None]:
    """Redis is away inside, and back afterwards: with what it held, or empty."""
    server.down(keep_data=keep_data)
    try:
        yield
    finally:
        server.start_again()


def wait_until_done(settings: Settings, records: int, *workers: Worker) -> None:
    """Until the group has committed the end of every partition of a log of so many events; all workers live on."""

    def is_done() -> bool:
        assert all(worker.is_alive() for worker in workers), "a worker ended"
        found = lag(settings.bus)
        events = sum(at.end - at.start for at in found if at.topic == "events")
        return events >= records and all(at.lag == 0 for at in found)

    wait_until(is_done, 90, "committed = end on every partition")


def slates(settings: Settings, users: Iterator[str] | list[str] | set[str]) -> dict[str, Slate | None]:
    """What Redis holds for these users."""
    reader = Reader(settings.store)
    try:
        return {user: reader.slate(user, "default") for user in users}
    finally:
        reader.close()


def behind(settings: Settings, last: dict[str, tuple[int, int]]) -> dict[str, object]:
    """Users whose slate does not know their last event (partition, offset); empty if all is well."""
    found = slates(settings, set(last))
    return {
        user: slate and slate.as_of
        for user, slate in found.items()
        if slate is None or slate.as_of.partition != last[user][0] or slate.as_of.offset < last[user][1]
    }


def last_values(settings: Settings) -> list[LastValues]:
    """What the workers reported last."""
    reader = Reader(settings.store)
    try:
        return list(reader.last_values().values())
    finally:
        reader.close()


def learned(settings: Settings) -> list[float | None]:
    """Events that each worker's engine has learned, as it reported last."""
    return [one.values.get("engine{stat=events_learned}") for one in last_values(settings)]
