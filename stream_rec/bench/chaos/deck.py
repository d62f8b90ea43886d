"""All faults, and their order from a seed. Each fault ends with the scene as it found it, but for time to recover."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from stream_rec.bench.chaos.process_faults import (
    Times,
    kill,
    rebalance,
    restart_twice,
    short_pause,
    stop,
    zombie,
)
from stream_rec.bench.chaos.scene import Scene
from stream_rec.bench.chaos.server_faults import (
    broker_pause,
    broker_restart,
    redis_empty,
    redis_failover,
    redis_pause,
    redis_refuses,
)
from stream_rec.bench.chaos.state_faults import (
    bounds_raised,
    clock_jump,
    dead_letter_refused,
    disk_full,
    expired_under_follower,
    second_tenant,
    snapshot_corrupted,
    trimmed_while_restoring,
)

Fault = Callable[[Scene, Times], None]

_DECK: tuple[Fault, ...] = (
    *(kill, kill, kill, zombie, zombie, short_pause, stop, stop, rebalance, restart_twice),
    *(broker_restart, broker_pause, redis_pause, redis_empty, redis_refuses, redis_failover),
    *(disk_full, snapshot_corrupted, bounds_raised, clock_jump, dead_letter_refused, second_tenant),
    *(trimmed_while_restoring, expired_under_follower),
)
_APACHE_KAFKA_ONLY: tuple[Fault, ...] = (
    broker_restart,
    dead_letter_refused,
    trimmed_while_restoring,
    expired_under_follower,
)
"""The embedded broker keeps its log in memory, deletes nothing, and knows no limit of a topic."""


def plan(n: int, seed: int, *, is_kafka: bool, small_disk: bool = True) -> Iterator[Fault]:
    """N faults: decks of all kinds, each shuffled; a kill comes first.

    Args:
        n: how many.
        seed: of the order.
        is_kafka: is it Apache Kafka.
        small_disk: is there a disk that can be filled.
    """
    left_out: set[Fault] = set() if is_kafka else set(_APACHE_KAFKA_ONLY)
    if not small_disk:
        left_out.add(disk_full)
    rng = random.Random(seed)
    deck: list[Fault] = []
    for number in range(n):
        if not deck:
            deck = [fault for fault in _DECK if fault not in left_out]
            rng.shuffle(deck)
            if number == 0:
                deck.remove(kill)
                deck.append(kill)
        yield deck.pop()
