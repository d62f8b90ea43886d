"""Faults of servers: the broker and Redis go, stand still, come back empty, refuse writes, fail over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator

import redis

from stream_rec.bench.chaos.process_faults import Times
from stream_rec.bench.chaos.scene import Scene
from stream_rec.embedded.kafka import KafkaServer


def broker_restart(scene: Scene, _: Times) -> None:
    """The broker ends, asked or killed, and comes back with what it held."""
    broker = scene.stack.broker
    assert isinstance(broker, KafkaServer)
    broker.down(politely=scene.rng.random() < 0.5)
    scene.pause(0, 3)
    broker.start_again()


def broker_pause(scene: Scene, _: Times) -> None:
    """SIGSTOP the broker, for less or more than the workers' sessions last."""
    assert scene.stack.broker is not None
    _pause(scene, scene.stack.broker.pid, 2, 9)


def redis_pause(scene: Scene, _: Times) -> None:
    """SIGSTOP Redis, for less or more than a reply may take."""
    _pause(scene, scene.redis.primary.pid, 1, 7)


def redis_empty(scene: Scene, _: Times) -> None:
    """Redis comes back with an empty memory."""
    scene.redis.primary.down()
    scene.pause(0, 2)
    scene.redis.primary.start_again()


def redis_refuses(scene: Scene, _: Times) -> None:
    """Redis takes no writes for a time: it cannot save (MISCONF), has no replica (NOREPLICAS), or no memory (OOM)."""
    with redis.Redis.from_url(scene.redis.primary.url) as client:
        refuse = scene.rng.choice((_misconf, _no_replicas, _out_of_memory))
        with refuse(scene, client):
            scene.pause(2, 8)


def redis_failover(scene: Scene, _: Times) -> None:
    """The address fails over to the replica; the old primary stays up, read-only, and connected to the workers."""
    scene.redis.fail_over()


@contextlib.contextmanager
def _misconf(scene: Scene, client: redis.Redis) -> Iterator[None]:
    gone = scene.folder / "no-such-place"
    gone.mkdir()
    before = str(client.config_get("dir")["dir"])
    client.config_set("dir", str(gone))
    shutil.rmtree(gone)
    client.config_set("save", "3600 1")
    client.bgsave()
    scene.wait(
        lambda: "" if client.info("persistence")["rdb_last_bgsave_status"] == "err" else "it saves", 10.0
    )
    try:
        yield
    finally:
        client.config_set("dir", before)
        client.config_set("save", "")


@contextlib.contextmanager
def _no_replicas(_scene: Scene, client: redis.Redis) -> Iterator[None]:
    client.config_set("min-replicas-to-write", 5)
    try:
        yield
    finally:
        client.config_set("min-replicas-to-write", 0)


@contextlib.contextmanager
def _out_of_memory(_scene: Scene, client: redis.Redis) -> Iterator[None]:
    client.config_set("maxmemory", "1mb")
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


def _pause(scene: Scene, pid: int, at_least: float, at_most: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        scene.pause(at_least, at_most)
    finally:
        os.kill(pid, signal.SIGCONT)
