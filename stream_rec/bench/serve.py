"""`stream-rec bench serve`: reads and batches of events over HTTP, while a worker learns 500 events a second.

With `--live` then the same of a live server: reads, rankings, and pairs of an event and a read that must know it.

Everything is a process of its own: broker, Redis, worker, server, and the load (`stream_rec.bench.serve_load`). The
server has its default settings, access log and all. Each server has a stack of its own, whose log begins with what is
learned before: the embedded broker becomes slower with every batch that it holds (docs/embedded.md).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.freshness import wait_until_handled
from stream_rec.bench.harness import Figures, Say, calibration_ms
from stream_rec.bench.learning import Learning
from stream_rec.bench.serve_load import Outcome, Plan
from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded import launch
from stream_rec.embedded.serve import ServeProcess
from stream_rec.embedded.stack import Broker, start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.errors import Unavailable
from stream_rec.producers.feed.feed import Feed, Row
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.serve.freshness_probe import percentile
from stream_rec.settings import Settings

CONNECTIONS = 16
BATCH = 100
POSTERS = 4
WARM_UP_SECONDS = 2.0
STEP = 1.25
"""The rate grows by this factor until the server does not keep up."""
LATE_MS = 25.0
RANKED_ITEMS = 100
PAIRS_AT_A_TIME = 4
READY_SECONDS = 300.0
_PATHS = 2000
_EVENTS = re.compile(r'^stream_rec_live_events_learned\{tenant=""\} (\S+)$', re.MULTILINE)


class Wanted(NamedTuple):
    """What is measured.

    Attributes:
        rate: reads per second.
        seconds: of them.
        live: a live server, too.
        live_rate: its reads, and its rankings, per second.
        pairs: publish-then-read pairs of each server; 0 = none.
        preload: events that are learned before.
        learned: events learned per second meanwhile.
        steps: rates that are tried, at most, to find the highest.
        step_seconds: of each, of batches, and of the look at what learning alone costs.
    """

    rate: float = 1000.0
    seconds: float = 60.0
    live: bool = False
    live_rate: float = 200.0
    pairs: int = 10_000
    preload: int = 50_000
    learned: float = 500.0
    steps: int = 12
    step_seconds: float = 6.0


def run(settings: Settings, say: Say, wanted: Wanted, broker: Broker = "tansu") -> Figures:
    """Reads at a rate, then as many as it takes, then batches of events; then the same of a live server.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        wanted: what is measured.
        broker: the embedded one, or Apache Kafka.

    Returns:
        Milliseconds of reads, the server's CPU, the highest rate of reads with p99 <= LATE_MS, events taken a second.
    """
    settings = without_addresses(settings)
    # With room to spare: a log that ends too early fails the bench.
    steps = 2 * (wanted.steps + 4) * (wanted.step_seconds + 1) + wanted.pairs / 15
    spare = int(2 * wanted.learned * (wanted.seconds + steps + 30))
    log = BenchLog.first(wanted.preload + spare, settings.data)
    say(f"events: {log.name}; calibration kernel {calibration_ms():.0f} ms")
    rows = log.rows()
    figures: Figures = {"rate": wanted.rate, "data": log.name, "broker": broker}
    for measure in (Bench.stateless, Bench.live)[: 1 + wanted.live]:
        with _learned(settings, rows[: wanted.preload], broker) as own:
            figures |= measure(Bench(own, rows, wanted, say))
    return {**figures, "calibration_ms": calibration_ms()}


@contextmanager
def _learned(settings: Settings, rows: Sequence[Row], broker: Broker) -> Iterator[Settings]:
    """A stack and a worker that has learned the rows."""
    with start_stack(settings, broker=broker) as stack:
        ensure_topics(stack.settings.bus)
        worker = WorkerProcess(stack.settings)
        try:
            with Publisher(stack.settings.bus, stack.settings.ingest) as publisher:
                Feed(publisher).run(rows)
            wait_until_handled(worker, stack.settings)
            yield stack.settings
        finally:
            worker.stop()


class Used(NamedTuple):
    """What a live server has used, and learned for it.

    A feed that was held up catches up later: so what learning costs is taken off by the event, not by the second.

    Attributes:
        cpu_seconds: of its process.
        events: that its engine has learned.
    """

    cpu_seconds: float
    events: float

    @classmethod
    def by(cls, server: ServeProcess) -> Used:
        """Until now."""
        found = _EVENTS.search(httpx.get(f"{server.url}/metrics").text)
        if found is None:
            raise Unavailable("serve", "it does not say how many events it has learned")
        return cls(server.cpu_seconds(), float(found[1]))

    def since(self, before: Used, say: Say) -> Used:
        """From then on."""
        used = Used(self.cpu_seconds - before.cpu_seconds, self.events - before.events)
        say(f"  {used.events:,.0f} events learned, {used.cpu_seconds:.2f} s of CPU")
        return used

    @property
    def per_event(self) -> float:
        """Seconds of CPU, where nothing else was done."""
        return self.cpu_seconds / max(1.0, self.events)

    def besides(self, per_event: float) -> float:
        """Seconds of CPU for all else than learning, at so many for an event."""
        return self.cpu_seconds - per_event * self.events


class Bench:
    """A server on a running stack.

    Args:
        settings: of the stack.
        rows: of the log; the first `wanted.preload` are learned.
        wanted: what is measured.
        say: takes progress.
    """

    def __init__(self, settings: Settings, rows: Sequence[Row], wanted: Wanted, say: Say) -> None:
        self._settings = settings
        self._rows = rows
        self._learning = Learning(settings, rows, wanted.preload, wanted.learned)
        self._wanted = wanted
        self._say = say
        self._paths = _paths(rows[: wanted.preload])

    def stateless(self) -> Figures:
        """Of a server that answers from Redis."""
        wanted, say = self._wanted, self._say
        rate, seconds = wanted.rate, wanted.seconds
        with _serving(self._settings) as server, self._learning.beside():
            _load(server, paths=self._paths, rate=rate, seconds=WARM_UP_SECONDS, connections=CONNECTIONS)
            say(f"{rate:g} reads/s for {seconds:g} s, {wanted.learned:g} events/s learned beside them ...")
            before = server.cpu_seconds()
            reads = _load(server, paths=self._paths, rate=rate, seconds=seconds, connections=CONNECTIONS)
            cpu_us_read = (server.cpu_seconds() - before) / len(reads.ms) * 1e6
            paired = self._pairs(server, "stateless_")
            mib = server.rss_mib()
            most = self._most(server, rate)
            say("batches of events ...")
            batch = [msgspec.to_builtins(row.event) for row in self._rows[:BATCH] if row.event]
            before = server.cpu_seconds()
            plan = {"body": msgspec.json.encode(batch), "seconds": wanted.step_seconds}
            posted = _load(server, **plan, connections=POSTERS)
            n_events = len(batch) * (len(posted.ms) - posted.errors)
            cpu_us_ingest = (server.cpu_seconds() - before) / max(1, n_events) * 1e6
            mib = max(mib, server.rss_mib())
        return {
            "read_ms_p50": percentile(reads.ms, 0.5),
            "read_ms_p90": percentile(reads.ms, 0.9),
            "read_ms_p99": percentile(reads.ms, 0.99),
            "errors": reads.errors + posted.errors,
            "reads": len(reads.ms),
            "cpu_us_read": cpu_us_read,
            "max_reads_per_s": most,
            "ingest_per_s": n_events / posted.seconds,
            "cpu_us_ingest": cpu_us_ingest,
            "stateless_mib": mib,
            "serve_exit_code": server.ended_with,
            **paired,
        }

    def live(self) -> Figures:
        """Of a server that holds the engine. What an event costs it is measured first, and taken off for each."""
        wanted, say = self._wanted, self._say
        seconds = max(wanted.step_seconds, wanted.seconds / 4)
        with _serving(self._settings, ["--set", "serve.live=true"]) as server, self._learning.beside():
            _wait_until_ready(server)
            plan: dict[str, Any] = {"rate": wanted.live_rate, "connections": CONNECTIONS}
            _load(server, paths=self._paths, seconds=WARM_UP_SECONDS, **plan)
            before = Used.by(server)
            sleep(wanted.step_seconds)
            per_event = Used.by(server).since(before, say).per_event
            say(f"live: {wanted.live_rate:g} reads/s for {seconds:g} s ...")
            before = Used.by(server)
            reads = _load(server, paths=self._paths, seconds=seconds, **plan)
            cpu_us = Used.by(server).since(before, say).besides(per_event) / len(reads.ms) * 1e6
            paired = self._pairs(server, "")
            say(f"live: {wanted.live_rate:g} rankings/s of {RANKED_ITEMS} items ...")
            before = Used.by(server)
            ranked = _load(server, paths=["/v1/rank"], bodies=self._rankings(), seconds=seconds, **plan)
            cpu_us_rank = Used.by(server).since(before, say).besides(per_event) / len(ranked.ms) * 1e6
            most = self._most(server, wanted.live_rate)
            mib = server.rss_mib()
        return {
            "live_ms_p50": percentile(reads.ms, 0.5),
            "live_ms_p99": percentile(reads.ms, 0.99),
            "cpu_us_live": cpu_us,
            "cpu_us_rank": cpu_us_rank,
            "rank_ms_p50": percentile(ranked.ms, 0.5),
            "rank_ms_p99": percentile(ranked.ms, 0.99),
            "live_errors": reads.errors + ranked.errors,
            "max_live_per_s": most,
            "live_mib": mib,
            "live_exit_code": server.ended_with,
            **paired,
        }

    def _pairs(self, server: ServeProcess, prefix: str) -> Figures:
        """Publish-then-read pairs beside reads at the rate."""
        wanted = self._wanted
        if not wanted.pairs:
            return {}
        self._say(f"{wanted.pairs} publish-then-read pairs beside {wanted.rate:g} reads/s ...")
        popular = [
            each["item_id"] for each in httpx.get(f"{server.url}/v1/lists/popular?n=5").json()["items"]
        ]
        reads = Plan(
            **_at(server), paths=self._paths, rate=wanted.rate, seconds=3600, connections=CONNECTIONS
        )
        beside = _start(reads)
        try:
            found = _load(server, pairs=wanted.pairs, popular=popular, seconds=0, connections=PAIRS_AT_A_TIME)
        finally:
            beside.kill()
            beside.wait()
        return {
            f"{prefix}ryw_ms_p50": percentile(found.ms, 0.5),
            f"{prefix}ryw_ms_p99": percentile(found.ms, 0.99),
            f"{prefix}pairs": len(found.ms),
            f"{prefix}pair_errors": found.errors,
            f"{prefix}stale_marked": found.stale,
            f"{prefix}stale_unmarked": found.stale_unmarked,
        }

    def _rankings(self) -> list[str]:
        """Bodies of requests: items as they come in the log, for known users."""
        events = [row.event for row in self._rows[: self._wanted.preload] if row.event]
        items = list(dict.fromkeys(each.item_id for each in events))
        users = list(dict.fromkeys(each.user_id for each in events))[:_PATHS]
        n = min(RANKED_ITEMS, len(items))
        return [
            msgspec.json.encode({"user_id": user, "items": (items * 2)[at % len(items) :][:n]}).decode()
            for at, user in enumerate(users)
        ]

    def _most(self, server: ServeProcess, rate: float) -> float:
        """The highest rate at which the server kept up."""
        best, seconds = 0.0, self._wanted.step_seconds
        for _ in range(self._wanted.steps):
            found = _load(server, paths=self._paths, rate=rate, seconds=seconds, connections=2 * CONNECTIONS)
            p99 = percentile(found.ms, 0.99)
            self._say(f"  {rate:,.0f} reads/s: p99 {p99:.1f} ms, {found.errors} errors")
            if p99 > LATE_MS or found.errors:
                break
            best, rate = rate, rate * STEP
        return best


@contextmanager
def _serving(settings: Settings, flags: Sequence[str] = ()) -> Iterator[ServeProcess]:
    """A server; its exit code is known afterwards."""
    server = ServeProcess(settings, flags)
    try:
        yield server
    finally:
        server.stop()


def _wait_until_ready(server: ServeProcess) -> None:
    deadline = monotonic() + READY_SECONDS
    while httpx.get(f"{server.url}/readyz").status_code != 200:
        server.check()
        if monotonic() > deadline:
            raise Unavailable("serve", "it is not ready", waited_seconds=READY_SECONDS)
        sleep(0.1)


def _paths(rows: Sequence[Row]) -> list[str]:
    """Reads of known users, each once."""
    users = dict.fromkeys(row.event.user_id for row in reversed(rows) if row.event)
    return [f"/v1/users/{quote(user, safe='')}/recommendations?n=20" for user in list(users)[:_PATHS]]


def _at(server: ServeProcess) -> dict[str, Any]:
    at = urlsplit(server.url)
    return {"host": at.hostname or "", "port": at.port or 0}


def _start(plan: Plan) -> subprocess.Popen[bytes]:
    """The load as a process that has its plan; it ends with this one, however that ends."""
    launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), "null"]
    command = [*launcher, sys.executable, "-m", "stream_rec.bench.serve_load"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(plan))
    process.stdin.close()
    return process


def _load(server: ServeProcess, **plan: Any) -> Outcome:
    process = _start(Plan(**_at(server), **plan))
    assert process.stdout is not None
    found = process.stdout.read()
    if code := process.wait():
        raise subprocess.CalledProcessError(code, process.args)
    server.check()
    return msgspec.json.decode(found, type=Outcome)
