"""`stream-rec bench chaos`: random faults from a seed; nothing may be lost, doubled, stale or turned back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_rec.bench.chaos.deck import plan
from stream_rec.bench.chaos.process_faults import Times
from stream_rec.bench.chaos.scene import Course, Found, Scene, open_scene
from stream_rec.bench.chaos.witnessed import NO_MUTATION
from stream_rec.bench.harness import Figures, Say
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import Broker
from stream_rec.errors import StreamRecError
from stream_rec.settings import Settings

MUTATED_FAULTS = 3
"""A mutated run ends at the first violation, or after so many faults."""
_SHOWN = 20


@dataclass(frozen=True)
class Chaos:
    """What is to be done.

    Attributes:
        faults: how many.
        seed: of faults, moments, traffic.
        broker: Apache Kafka, or the embedded one (which is not restarted: it would come back empty).
        workers: that serve between faults.
        rate: events per second.
    """

    faults: int = 100
    seed: int = 1
    broker: Broker = "kafka"
    workers: int = 2
    rate: float = 300.0


@dataclass
class Outcome:
    """What has happened: faults that were done, what was found, times, events and decisions published, answers read."""

    faults: int
    found: Found
    times: Times
    events: int
    decisions: dict[str, int]
    answers: int


def run(settings: Settings, say: Say, chaos: Chaos, mutate: str = "") -> Figures:
    """The run, and then a mutated one that must be caught; or, with `mutate`, that one only.

    Args:
        settings: of the workers; servers that they name are left alone.
        say: takes progress, and every violation.
        chaos: what is to be done.
        mutate: name of a mutation (`witnessed.MUTATIONS`); `faults` holds for its run, too.
    """
    began = SystemClock().monotonic()
    if mutate:
        outcome = spoiled = play(settings, say, chaos, mutate)
    else:
        outcome = play(settings, say, chaos)
        few = Chaos(MUTATED_FAULTS, chaos.seed, chaos.broker, chaos.workers, chaos.rate)
        say("now with the position guard switched off: that must be found")
        spoiled = play(settings, say, few, "position-guard")
    return {
        "faults": outcome.faults,
        "violations": len(outcome.found.violations),
        "lost": outcome.found.lost,
        "double_learned": outcome.found.doubled,
        "miscounted": outcome.found.miscounted,
        "forbidden": outcome.found.forbidden,
        "not_forgotten": outcome.found.not_forgotten,
        "digests_differ": outcome.found.differing,
        "mutation_caught": bool(spoiled.found.doubled),
        "recovery_s_p50": _quantile(outcome.times.killed, 0.5),
        "recovery_s_p99": _quantile(outcome.times.killed, 0.99),
        "recoveries": len(outcome.times.killed),
        "clean_stop_s": _quantile(outcome.times.stopped, 0.5),
        "clean_stop_s_max": _quantile(outcome.times.stopped, 1.0),
        "clean_stops": len(outcome.times.stopped),
        "exits": len(outcome.found.exits),
        "events": outcome.events,
        **outcome.decisions,
        "answers": outcome.answers,
        "seed": chaos.seed,
        "broker": chaos.broker,
        "workers": chaos.workers,
        "seconds": SystemClock().monotonic() - began,
    }


def play(settings: Settings, say: Say, chaos: Chaos, mutation: str = NO_MUTATION) -> Outcome:
    """Fault after fault, until all are done or something was found: after that, everything would be found again."""
    with open_scene(
        settings,
        broker=chaos.broker,
        workers=chaos.workers,
        course=Course(chaos.seed, chaos.rate, mutation),
        say=say,
    ) as scene:
        times, done = Times(), 0
        scene.settle("before the first fault")
        if not scene.disk.is_small:
            say("no small disk can be mounted here (root, Linux): `disk full` is left out")
        deck = plan(
            chaos.faults, chaos.seed, is_kafka=chaos.broker == "kafka", small_disk=scene.disk.is_small
        )
        for fault in deck:
            if scene.found.violations:
                break
            done += 1
            where = f"fault {done} of {chaos.faults}, {fault.__name__.replace('_', ' ')}"
            began = scene.clock.monotonic()
            try:
                fault(scene, times)
                scene.recover()
                scene.settle(where)
            except StreamRecError as error:  # what cannot be looked at has not been found well
                scene.found.violations.append(f"{where}: {error}")
            say(f"{where}: {scene.clock.monotonic() - began:.1f} s, {scene.traffic.n:,} events so far")
        _say_found(scene, say, chaos, mutation)
        decisions = dict(scene.traffic.steering.n)
        return Outcome(done, scene.found, times, scene.traffic.n, decisions, scene.shown.n)


def _say_found(scene: Scene, say: Say, chaos: Chaos, mutation: str) -> None:
    violations = scene.found.violations
    if not violations:
        return
    for violation in violations[:_SHOWN]:
        say(f"  VIOLATION {violation}")
    if len(violations) > _SHOWN:
        say(f"  and {len(violations) - _SHOWN} more")
    mutate = "" if mutation == NO_MUTATION else f" --mutate {mutation}"
    say(
        f"  again: stream-rec bench chaos --faults {chaos.faults} --seed {chaos.seed} --broker {chaos.broker} "
        f"--workers {chaos.workers} --rate {chaos.rate:g}{mutate}"
    )


def _quantile(seconds: list[float], q: float) -> float:
    return float(np.quantile(seconds, q)) if seconds else float("nan")
