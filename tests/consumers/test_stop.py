"""SIGTERM: finish or drop what is in hand, commit, leave; exit 0 within five seconds."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from stream_rec.bench.stop import answers_signals
from stream_rec.bus.lag import lag
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.embedded.tansu import TansuServer
from stream_rec.settings import Settings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import READY_SECONDS, Worker, behind, down, running, wait_until_done
from tests.waiting import wait_until

STOP_SECONDS = 5.0
"""A promise to operators, so here time is part of the claim."""


def test_a_worker_told_to_stop_commits_what_it_has_done_and_the_next_one_goes_on(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    settings = tansu_settings
    with running(settings, tmp_path, "first") as first:
        assert first.listens_on() == ["127.0.0.1"]  # /metrics, and no web server of Faust's
        early = publish_events(settings.bus, clicks(3_000))
        wait_until(lambda: done(settings) > 0, 60, "the first commit")
        code, seconds = first.stop()
        assert (code, seconds < STOP_SECONDS) == (0, True), seconds
    late = publish_events(settings.bus, clicks(1_000, seed=2))
    with running(settings, tmp_path, "second") as second:
        wait_until_done(settings, early.n + late.n, second)
        assert behind(settings, early.last | late.last) == {}


def test_a_worker_stops_in_time_while_redis_is_down_and_acks_nothing_that_was_not_written(
    tansu_settings: Settings, redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = tansu_settings
    with running(settings, tmp_path, "first") as first, down(redis_server):
        published = publish_events(settings.bus, clicks(3_000))
        wait_until(lambda: "waiting for redis" in first.log(), 60, "the worker to say what it waits for")
        code, seconds = first.stop()
        assert (code, seconds < STOP_SECONDS) == (0, True), seconds
        assert done(settings) == 0
        assert re.search(r"will be redelivered +events=\d+", first.log())
    with running(settings, tmp_path, "second") as second:
        wait_until_done(settings, published.n, second)
        assert behind(settings, published.last) == {}


def test_a_worker_stops_in_time_while_kafka_is_silent(tansu_settings: Settings, tmp_path: Path) -> None:
    with TansuServer.start(tmp_path) as broker:
        bus = tansu_settings.bus.model_copy(update={"bootstrap": broker.bootstrap})
        settings = tansu_settings.model_copy(update={"bus": bus})
        with running(settings, tmp_path, "first") as first:
            os.kill(broker.pid, signal.SIGSTOP)
            wait_until(lambda: "waiting for kafka" in first.log(), 60, "the worker to say what it waits for")
            code, seconds = first.stop()
            assert (code, seconds < STOP_SECONDS) == (0, True), seconds


def test_a_worker_is_told_to_stop_while_it_imports(tansu_settings: Settings, tmp_path: Path) -> None:
    worker = Worker(tansu_settings, tmp_path / "log", fresh=True)
    wait_until(lambda: answers_signals(worker.pid), 60, "the worker's first line")
    code, seconds = worker.stop()
    assert (code, seconds < STOP_SECONDS) == (0, True), seconds


def test_a_worker_is_told_to_stop_while_it_looks_for_topics_on_a_kafka_that_hangs(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    with TansuServer.start(tmp_path) as broker:
        bus = tansu_settings.bus.model_copy(update={"bootstrap": broker.bootstrap})
        os.kill(broker.pid, signal.SIGSTOP)
        worker = Worker(
            tansu_settings.model_copy(update={"bus": bus}),
            tmp_path / "log",
            ["--log-level", "debug"],
            fresh=True,
        )
        wait_until(lambda: "step=topics" in worker.log(), 60, "the look-up")
        code, seconds = worker.stop()
        assert (code, seconds < STOP_SECONDS) == (0, True), worker.log()


def test_a_worker_is_told_to_stop_while_it_joins(tansu_settings: Settings, tmp_path: Path) -> None:
    worker = Worker(tansu_settings, tmp_path / "log", ["--log-level", "debug"], fresh=True)
    wait_until(lambda: "step=join" in worker.log(), READY_SECONDS, "the worker to join")
    code, seconds = worker.stop()
    assert (code, seconds < STOP_SECONDS) == (0, True), worker.log()


def done(settings: Settings) -> int:
    return sum(at.committed or 0 for at in lag(settings.bus) if at.topic == "events")
