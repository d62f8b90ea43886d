"""`stream-rec worker --bridge`: one process that bridges and learns, and ends if either cannot go on."""

from __future__ import annotations

from pathlib import Path
from urllib.request import urlopen

import pytest

from stream_rec.settings import Settings
from tests.consumers.bridge.bridging import behind, bridged, clicks, make_topic, one_input, send
from tests.consumers.running import READY_SECONDS, Worker, running, wait_until_done
from tests.waiting import wait_until


def test_a_worker_learns_what_it_bridges(tansu_settings: Settings, tmp_path: Path) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    send(bus.bootstrap, topic, clicks(500))
    settings = bridged(tansu_settings, bridge={**one_input(topic), "in_worker": True})
    with running(settings, tmp_path) as worker:
        wait_until_done(settings, 500, worker)
        assert behind(settings) == 0
        [port] = worker.ports()
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        assert f'stream_rec_bridge_messages_total{{topic="{topic}"}} 500.0' in metrics
        code, _ = worker.stop()
        assert code == 0


@pytest.mark.parametrize(
    ("topic", "shape", "said"),
    [
        ("no-such-topic", "native", "has no topic no-such-topic"),
        ("shop", "nativ", "there is no shape 'nativ'"),  # said before kernels are compiled
    ],
)
def test_a_worker_whose_bridge_cannot_go_on_ends_and_says_why(
    tansu_settings: Settings, tmp_path: Path, topic: str, shape: str, said: str
) -> None:
    settings = bridged(tansu_settings, bridge={**one_input(topic, shape), "in_worker": True})
    worker = Worker(settings, tmp_path / "worker.log")
    try:
        wait_until(lambda: not worker.is_alive(), READY_SECONDS, "the worker to end")
    finally:
        worker.kill()
    assert worker.code() == 2
    assert said in worker.log()
