"""kill -9 under load, of servers and of a worker: what was acknowledged is learned, and clients hardly notice."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx

from stream_rec.clock import SystemClock
from stream_rec.embedded.serve import ServeProcess
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import Interaction
from stream_rec.sdk.client import HttpClient
from stream_rec.sdk.wire import Written
from stream_rec.settings import Settings
from tests.api.serving import READY_SECONDS, live
from tests.consumers.running import behind, flags, learned, running, wait_until_done
from tests.waiting import wait_until

USERS, ITEMS, BATCH = 40, 60, 20
PAUSE_SECONDS = 0.1
"""So that the load does not take what the servers need to come back."""
NOW = SystemClock().now() - 100_000


class Server:
    """One that is killed and started again, at the same address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.is_away = threading.Event()
        self._process = self._started(0)
        self.url = self._process.url

    def kill(self) -> None:
        """SIGKILL; until it is `back`, reads may fail."""
        self.is_away.set()
        self._process.kill()

    def back(self) -> None:
        self._process = self._started(urlsplit(self.url).port or 0)
        self.wait_until_ready()
        self.is_away.clear()

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            self._process.check()
            return httpx.get(f"{self.url}/readyz").status_code == 200

        wait_until(is_ready, READY_SECONDS, "it to be ready")

    def end(self) -> None:
        if not self.is_away.is_set():
            self._process.kill()

    def _started(self, port: int) -> ServeProcess:
        return ServeProcess(self._settings, list(flags(self._settings)), port=port)


class Load:
    """Events and reads, one after the other, over two servers; and reads over the first of them alone.

    Attributes:
        written: position of each event, by its id.
        last: that of each user's last one.
        unread: reads over both that failed.
        lone_failures: reads over the first alone that failed while it was there.
        n_reads: over both.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        self._ended = threading.Event()
        self._failed: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._watched, args=(each,))
            for each in (self._write, self._read, self._read_alone)
        ]
        self.written: dict[str, tuple[int, int]] = {}
        self.last: dict[str, tuple[int, int]] = {}
        self.unread: list[str] = []
        self.lone_failures: list[str] = []
        self.n_reads = self.n_alone = 0

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for each in self._threads:
            each.join()
        assert not self._failed

    def goes_on(self) -> None:
        """Wait until more was written and read than until now."""
        before = (len(self.written), self.n_reads, self.n_alone)
        wait_until(
            lambda: self._failed or all(now > then for now, then in zip(self._counts(), before, strict=True)),
            60,
            "the load to go on",
        )

    def _counts(self) -> tuple[int, int, int]:
        return len(self.written), self.n_reads, self.n_alone

    def _watched(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._failed.append(error)
            raise

    def _write(self) -> None:
        rng, n = random.Random(1), 0
        with HttpClient([each.url for each in self._servers]) as client:
            while not self._ended.wait(PAUSE_SECONDS):
                events = [
                    Interaction(
                        f"u{rng.randrange(USERS)}",
                        f"i{rng.randrange(ITEMS)}",
                        "click",
                        NOW + n + i,
                        f"e{n + i}",
                    )
                    for i in range(BATCH)
                ]
                done = client.track_many(events)
                assert done.accepted == BATCH, done
                for event, result in zip(events, done.results, strict=True):
                    at = (result.partition or 0, result.offset or 0)
                    self.written[event.event_id or ""] = self.last[event.user_id] = at
                n += BATCH

    def _read(self) -> None:
        rng = random.Random(2)
        with HttpClient([each.url for each in self._servers]) as client:
            while not self._ended.wait(PAUSE_SECONDS):
                try:
                    client.recommendations(f"u{rng.randrange(USERS)}")
                except Unavailable as error:
                    self.unread.append(str(error))
                self.n_reads += 1

    def _read_alone(self) -> None:
        server = self._servers[0]
        with httpx.Client(base_url=server.url) as http:
            while not self._ended.wait(PAUSE_SECONDS):
                was_away = server.is_away.is_set()
                try:
                    answer = http.get("/v1/users/u1/recommendations")
                    failure = "" if answer.status_code == 200 else answer.text
                except httpx.HTTPError as error:
                    failure = repr(error)
                if failure and not was_away and not server.is_away.is_set():
                    self.lone_failures.append(failure)
                self.n_alone += 1


@contextmanager
def two_servers(settings: Settings) -> Iterator[tuple[Server, Server]]:
    one, two = Server(settings), Server(settings)
    try:
        one.wait_until_ready()
        two.wait_until_ready()
        yield one, two
    finally:
        one.end()
        two.end()


def kill_in_turn(servers: Sequence[Server], load: Load) -> None:
    for each in servers:
        load.goes_on()
        each.kill()
        load.goes_on()
        each.back()
    load.goes_on()


def test_killed_servers_and_workers_lose_nothing_that_was_acknowledged(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    settings = tansu_settings
    with two_servers(settings) as servers:
        with running(settings, tmp_path, "first") as first, Load(servers) as load:
            kill_in_turn(servers, load)
            first.kill()
            load.goes_on()  # slates are as they were
        with running(settings, tmp_path, "second") as second:
            wait_until_done(settings, len(load.written), second)
            wait_until(lambda: len(load.written) in learned(settings), 10, "the figures")
            assert behind(settings, load.last) == {}
    assert (load.unread, load.lone_failures) == ([], [])


def test_killed_live_servers_come_back_with_all_that_was_acknowledged(bus: Settings) -> None:
    settings = live(bus)
    with two_servers(settings) as servers:
        with Load(servers) as load:
            kill_in_turn(servers[:1], load)
        for server in servers:
            told = f'stream_rec_live_events_learned{{tenant=""}} {float(len(load.written))}\n'
            wait_until(lambda: told in httpx.get(f"{server.url}/metrics").text, 60, "it to be learned")  # noqa: B023
            with HttpClient(server.url) as client:
                for user, at in load.last.items():
                    found = client.recommendations(user, after=Written(*at), timeout=0.0)
                    assert (found.origin, found.stale) == ("personal", False)
    assert (load.unread, load.lone_failures) == ([], [])
