"""Faults of processes: workers that are killed, stopped, paused and started."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_rec.bench.chaos.member import Member
from stream_rec.bench.chaos.scene import RECOVERY_SECONDS, Scene, why_not_fresh
from stream_rec.bench.chaos.slate_watch import Mark
from stream_rec.embedded.worker import WorkerProcess

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
    victim = busy(scene)
    at_once = scene.rng.random() < 0.5
    partitions, began = victim.partitions(), scene.clock.monotonic()
    victim.kill()
    scene.members.remove(victim)
    mark = scene.watch.mark(partitions, began, scene.clock.monotonic())
    if at_once:
        scene.start_worker()
    wait_fresh(scene, mark)
    times.killed += mark.reached.values()
    if not at_once:
        scene.start_worker()


def stop(scene: Scene, times: Times) -> None:
    """SIGTERM a worker, then start another."""
    victim = busy(scene)
    partitions, began = victim.partitions(), scene.clock.monotonic()
    victim.ask_to_stop()
    scene.members.remove(victim)
    mark = scene.watch.mark(partitions, began, began + _NOTICE_SECONDS)
    wait_fresh(scene, mark)
    times.stopped += mark.reached.values()
    bury(scene, victim)
    scene.start_worker()


def zombie(scene: Scene, _: Times) -> None:
    """SIGSTOP a worker inside a batch until others serve its partitions, then let it go on."""
    victim = busy(scene)
    partitions, began = victim.partitions(), scene.clock.monotonic()
    victim.pause()
    wait_fresh(scene, scene.watch.mark(partitions, began))
    scene.pause(0, 2)
    victim.go_on()


def short_pause(scene: Scene, _: Times) -> None:
    """SIGSTOP a worker for less than its session lasts."""
    victim = busy(scene)
    victim.pause()
    scene.pause(1, 4)
    victim.go_on()


def rebalance(scene: Scene, _: Times) -> None:
    """One more worker joins, is checked, and leaves again."""
    third = scene.start_worker()
    scene.recover()
    scene.settle("while one more worker was there")
    third.ask_to_stop()
    scene.members.remove(third)
    bury(scene, third)


def restart_twice(scene: Scene, _: Times) -> None:
    """Kill a worker, start another, and kill that one too while it is still getting ready."""
    victim = busy(scene)
    victim.kill()
    scene.members.remove(victim)
    second = scene.start_worker()
    scene.pause(0.2, 3.0)
    second.kill()
    scene.members.remove(second)
    scene.start_worker()


def busy(scene: Scene) -> Member:
    """A worker that owns partitions of `events`, at some moment after a burst began."""
    victim = scene.rng.choice([member for member in scene.members if member.partitions()])
    scene.traffic.burst(_BURST)
    scene.pause(0.05, 0.25)
    return victim


def wait_fresh(scene: Scene, mark: Mark) -> None:
    scene.wait(lambda: why_not_fresh(mark), RECOVERY_SECONDS)


def bury(scene: Scene, stopped: Member) -> None:
    """It was asked to stop: that must not take long, and end with 0."""
    try:
        scene.wait(
            lambda: f"{stopped.name} runs on" if stopped.exit_code is None else "", WorkerProcess.STOP_SECONDS
        )
    finally:
        code = stopped.bury()
    if code != 0:
        scene.found.violations.append(f"{stopped.name} ended with {code} at SIGTERM")
