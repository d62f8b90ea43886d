"""What goes wrong, by name. Each fault ends with the scene as it found it, but for time to recover."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stream_rec.bench.chaos.member import Member
from stream_rec.bench.chaos.scene import RECOVERY_SECONDS, Scene, why_not_fresh
from stream_rec.bench.chaos.slate_watch import Mark
from stream_rec.embedded.kafka import KafkaServer
from stream_rec.embedded.worker import STOP_SECONDS

_BURST = 1_000
"""Events that fill a worker's hands before it is hit."""

_NOTICE_SECONDS = 0.3
"""After SIGTERM: what is sent until then, the worker that stops may still serve."""


@dataclass
class Times:
    """Seconds to the next fresh slate of a partition whose owner went; one for each partition."""

    killed: list[float] = field(default_factory=list)
    stopped: list[float] = field(default_factory=list)


def kill(scene: Scene, times: Times) -> None:
    """Kill -9 a worker with its hands full; another is started at once, or when the others serve for it."""
    victim = _busy(scene)
    at_once = scene.rng.random() < 0.5
    partitions, began = victim.partitions(), scene.clock.monotonic()
    victim.kill()
    scene.members.remove(victim)
    mark = scene.watch.mark(partitions, began, scene.clock.monotonic())
    if at_once:
        scene.start_worker()
    _wait_fresh(scene, mark)
    times.killed += mark.reached.values()
    if not at_once:
        scene.start_worker()


def stop(scene: Scene, times: Times) -> None:
    """SIGTERM a worker, then start another."""
    victim = _busy(scene)
    partitions, began = victim.partitions(), scene.clock.monotonic()
    victim.ask_to_stop()
    scene.members.remove(victim)
    mark = scene.watch.mark(partitions, began, began + _NOTICE_SECONDS)
    _wait_fresh(scene, mark)
    times.stopped += mark.reached.values()
    _bury(scene, victim)
    scene.start_worker()


def zombie(scene: Scene, _: Times) -> None:
    """SIGSTOP a worker inside a batch until others serve its partitions, then let it go on."""
    victim = _busy(scene)
    partitions, began = victim.partitions(), scene.clock.monotonic()
    victim.pause()
    _wait_fresh(scene, scene.watch.mark(partitions, began))
    _sleep(scene, 0, 2)
    victim.go_on()


def short_pause(scene: Scene, _: Times) -> None:
    """SIGSTOP a worker for less than its session lasts."""
    victim = _busy(scene)
    victim.pause()
    _sleep(scene, 1, 4)
    victim.go_on()


def rebalance(scene: Scene, _: Times) -> None:
    """One more worker joins, is checked, and leaves again."""
    third = scene.start_worker()
    scene.recover()
    scene.settle("while one more worker was there")
    third.ask_to_stop()
    scene.members.remove(third)
    _bury(scene, third)


def broker_restart(scene: Scene, _: Times) -> None:
    """The broker ends, asked or killed, and comes back with what it held."""
    broker = scene.stack.broker
    assert isinstance(broker, KafkaServer)
    broker.down(politely=scene.rng.random() < 0.5)
    _sleep(scene, 0, 3)
    broker.start_again()


def broker_pause(scene: Scene, _: Times) -> None:
    """SIGSTOP the broker, for less or more than the workers' sessions last."""
    assert scene.stack.broker is not None
    _pause(scene, scene.stack.broker.pid, 2, 9)


def redis_pause(scene: Scene, _: Times) -> None:
    """SIGSTOP Redis, for less or more than a reply may take."""
    assert scene.stack.redis is not None
    _pause(scene, scene.stack.redis.pid, 1, 7)


def redis_empty(scene: Scene, _: Times) -> None:
    """Redis comes back with an empty memory."""
    assert scene.stack.redis is not None
    scene.stack.redis.down()
    _sleep(scene, 0, 2)
    scene.stack.redis.start_again()


Fault = Callable[[Scene, Times], None]

_DECK: tuple[Fault, ...] = (
    kill,
    kill,
    kill,
    zombie,
    zombie,
    short_pause,
    stop,
    stop,
    rebalance,
    broker_restart,
    broker_pause,
    redis_pause,
    redis_empty,
)
_NOT_ON_TANSU: tuple[Fault, ...] = (broker_restart,)
"""The embedded broker keeps its log in memory."""


def plan(n: int, seed: int, *, keeps_log: bool) -> Iterator[Fault]:
    """N faults: decks of all kinds, each shuffled; a kill comes first.

    Args:
        n: how many.
        seed: of the order.
        keeps_log: does the broker keep its log when it is started again.
    """
    rng = random.Random(seed)
    deck: list[Fault] = []
    for number in range(n):
        if not deck:
            deck = [fault for fault in _DECK if keeps_log or fault not in _NOT_ON_TANSU]
            rng.shuffle(deck)
            if number == 0:
                deck.remove(kill)
                deck.append(kill)
        yield deck.pop()


def _busy(scene: Scene) -> Member:
    """A worker that owns partitions of `events`, at some moment after a burst began."""
    victim = scene.rng.choice([member for member in scene.members if member.partitions()])
    scene.traffic.burst(_BURST)
    _sleep(scene, 0.05, 0.25)
    return victim


def _wait_fresh(scene: Scene, mark: Mark) -> None:
    scene.wait(lambda: why_not_fresh(mark), RECOVERY_SECONDS)


def _bury(scene: Scene, stopped: Member) -> None:
    """It was asked to stop: that must not take long, and end with 0."""
    try:
        scene.wait(lambda: f"{stopped.name} runs on" if stopped.exit_code is None else "", STOP_SECONDS)
    finally:
        code = stopped.bury()
    if code != 0:
        scene.found.violations.append(f"{stopped.name} ended with {code} at SIGTERM")


def _pause(scene: Scene, pid: int, at_least: float, at_most: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        _sleep(scene, at_least, at_most)
    finally:
        os.kill(pid, signal.SIGCONT)


def _sleep(scene: Scene, at_least: float, at_most: float) -> None:
    time.sleep(scene.rng.uniform(at_least, at_most))
