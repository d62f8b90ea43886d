"""`stream-rec bench stop`: SIGTERM at random moments of a worker's life. Does it always leave with 0, and in time?

A worker serves all the while, under traffic and with snapshots; beside it others are started, each to be stopped at a
moment of its own. Where Kafka or Redis hangs, that is SIGSTOP: connections stay open and nobody answers.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stream_rec.bench.chaos.traffic import Traffic
from stream_rec.bench.harness import Figures, Say, shown
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import Broker, Stack, start_stack, without_addresses
from stream_rec.embedded.worker import READY_SECONDS, WorkerProcess
from stream_rec.errors import Unavailable
from stream_rec.settings import Settings

PROMISED_SECONDS = 5.0
EVENTS_PER_SECOND = 100.0
_SERVES = " owned="
"""In the log line that a worker writes at each assignment."""
_GIVE_UP_SECONDS = 20.0
_POLL_SECONDS = 0.002
_PROGRAM = ("stream_rec.cli", "--log-level", "debug", "worker")
_LOG_LINES = 12


@dataclass(frozen=True, slots=True)
class Moment:
    """When a worker is told to stop.

    Attributes:
        name: what figures and failures call it.
        said: words of its log that begin the moment; empty = signals are answered, which is its first line.
        seconds: the signal comes so much later at most.
        hangs: the server that stands still.
        from_the_start: it did so before the worker was started, not only when the moment began.
        the_other: the one that has served is stopped, not the one that was started.
    """

    name: str
    said: str
    seconds: float
    hangs: Literal["", "kafka", "redis"] = ""
    from_the_start: bool = False
    the_other: bool = False


MOMENTS = (
    Moment("imports", "", 3.0),
    Moment("topic look-up", "step=topics", 0.3),
    Moment("topic look-up, Kafka hangs", "step=topics", 4.0, "kafka", from_the_start=True),
    Moment("kernels", "step=kernels", 3.0),
    Moment("restore", "step=restore", 0.4),
    Moment("joining", "step=join", 3.0),
    Moment("rebalance", "step=join", 5.0, the_other=True),
    Moment("serving", _SERVES, 2.0),
    Moment("serving, Kafka hangs", _SERVES, 4.0, "kafka"),
    Moment("serving, Redis hangs", _SERVES, 4.0, "redis"),
)


@dataclass(slots=True)
class Tally:
    """What became of the stops.

    Attributes:
        seconds: from signal to end, by moment.
        failures: what went wrong, each with its moment and the end of its log.
        deaf_seconds: from the start of a program to where signals are answered, the longest.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    deaf_seconds: float = 0.0

    def figures(self) -> Figures:
        """stops, failures, worst_s, p50_s, deaf_s, and the worst by moment."""
        all_of_them = [each for some in self.seconds.values() for each in some]
        return {
            "stops": len(all_of_them),
            "failures": len(self.failures),
            "worst_s": max(all_of_them),
            "p50_s": statistics.median(all_of_them),
            "deaf_s": self.deaf_seconds,
            **{f"worst_s of {len(some)}: {name}": max(some) for name, some in self.seconds.items()},
        }


def run(settings: Settings, say: Say, *, stops: int, seed: int, broker: Broker = "kafka") -> Figures:
    """Stop so many workers, each moment as often as the others, in an order and at times that the seed chooses.

    Args:
        settings: as for a worker; addresses, snapshot folder and port in it are not used.
        say: takes progress, and each failure at once.
        stops: how many.
        seed: of order, times and traffic.
        broker: the embedded one can leave a group without a leader when a worker leaves while another joins
            (docs/embedded.md): whoever starts then never serves.

    Returns:
        stops; failures: exit codes other than 0, or more than 5 s; worst_s, p50_s: from signal to end; deaf_s: from
        `exec` to the line from which on signals are answered, the longest; the worst of each moment.
    """
    rng = random.Random(seed)
    moments = [MOMENTS[n % len(MOMENTS)] for n in range(stops)]
    rng.shuffle(moments)
    with (
        tempfile.TemporaryDirectory(prefix="bench-stop-") as folder,
        _scene(settings, folder, seed, broker) as scene,
    ):
        for number, moment in enumerate(moments, start=1):
            scene.stop_one(moment, rng.random() * moment.seconds, say)
            taken = scene.tally.seconds[moment.name][-1]
            say(f"{number} of {stops}: {moment.name}: {shown(taken)} s")
        return scene.tally.figures()


class Scene:
    """A stack, a worker that serves, and those that are started to be stopped.

    Args:
        stack: its servers.
        folder: takes snapshots and logs.
    """

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._clock = SystemClock()
        self.tally = Tally()
        self._serving = self._started()
        self._wait_for(self._serving, _SERVES)

    def stop_one(self, moment: Moment, delay: float, say: Say) -> None:
        """Start a worker, bring about the moment, and stop the one that it is about."""
        with self._hanging(moment.hangs if moment.from_the_start else ""):
            began = self._clock.monotonic()
            new = self._started()
            self._wait(lambda: answers_signals(new.pid), new)
            self.tally.deaf_seconds = max(self.tally.deaf_seconds, self._clock.monotonic() - began)
            if moment.said:
                self._wait_for(new, moment.said)
            with self._hanging("" if moment.from_the_start else moment.hangs):
                time.sleep(delay)
                victim = self._serving if moment.the_other else new
                self._stop(victim, moment, delay, say)
        if moment.the_other:
            self._serving = new
            self._wait_for(new, _SERVES)
        if self._serving.exit_code is not None:
            say(f"the worker that served has ended with {self._serving.exit_code}; another is started")
            self._serving = self._started()
            self._wait_for(self._serving, _SERVES)

    def end(self) -> None:
        """Kill what runs."""
        self._serving.kill()

    def _stop(self, victim: WorkerProcess, moment: Moment, delay: float, say: Say) -> None:
        began = self._clock.monotonic()
        os.kill(victim.pid, signal.SIGTERM)
        while victim.exit_code is None and self._clock.monotonic() - began < _GIVE_UP_SECONDS:
            time.sleep(_POLL_SECONDS)
        seconds, code = self._clock.monotonic() - began, victim.exit_code
        self.tally.seconds.setdefault(moment.name, []).append(seconds)
        if code == 0 and seconds <= PROMISED_SECONDS:
            victim.stop()
            return
        how = "it runs on" if code is None else f"exit {code}"
        log = "\n".join(victim.log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:])
        self.tally.failures.append(moment.name)
        say(f"FAILURE at {moment.name}, {delay:.2f} s in: {how} after {seconds:.1f} s; its log ends:\n{log}")
        victim.kill()

    def _started(self) -> WorkerProcess:
        flags = [
            f"snapshot.url={self._folder / 'snapshots'}",
            "snapshot.every_events=1000",
            "snapshot.min_seconds=10",
        ]
        words = [word for flag in flags for word in ("--set", flag)]
        return WorkerProcess(self._stack.settings, words, _PROGRAM, self._folder)

    @contextmanager
    def _hanging(self, server: str) -> Iterator[None]:
        held = {"kafka": self._stack.broker, "redis": self._stack.redis}.get(server)
        if held is None:
            yield
            return
        os.kill(held.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(held.pid, signal.SIGCONT)

    def _wait_for(self, worker: WorkerProcess, words: str) -> None:
        self._wait(lambda: words in worker.log_path.read_text(errors="replace"), worker)

    def _wait(self, condition: Callable[[], bool], worker: WorkerProcess) -> None:
        began = self._clock.monotonic()
        while not condition():
            worker.check()
            if (waited := self._clock.monotonic() - began) > READY_SECONDS:
                raise Unavailable("worker", "it does not get ready", waited_seconds=waited)
            time.sleep(_POLL_SECONDS)


@contextmanager
def _scene(settings: Settings, folder: str, seed: int, broker: Broker) -> Iterator[Scene]:
    with start_stack(without_addresses(settings), broker=broker) as stack:
        ensure_topics(stack.settings.bus)
        traffic = Traffic(stack.settings.bus, EVENTS_PER_SECOND, seed, SystemClock())
        traffic.start()
        traffic.resume()
        scene = Scene(stack, Path(folder))
        try:
            yield scene
            traffic.check()
        finally:
            scene.end()
            traffic.end()


def answers_signals(pid: int) -> bool:
    """Has the process a handler of its own for SIGTERM? Before that the kernel ends it, and no program can help it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
