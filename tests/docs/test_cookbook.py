"""The Python programs of docs/cookbook.md do what the page says, against the embedded stack."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.serve.client import Client
from stream_rec.settings import Settings
from tests.cli.running import clean_environment
from tests.waiting import wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "cookbook.md").read_text()
RUN = re.compile(
    r"^## Python: (\S+)\n(?:[^#`]*\n)?<!-- run by tests/docs/test_cookbook.py -->\n```python\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
PROGRAMS = dict(RUN.findall(PAGE))


@pytest.fixture
def worker(tansu_settings: Settings) -> Iterator[Settings]:
    settings = tansu_settings.model_copy(update={"bus": tansu_settings.bus.model_copy(update={"prefix": ""})})
    ensure_topics(settings.bus)
    worker = WorkerProcess(settings, ["--set", f"bus.group={settings.bus.group}"])
    try:
        worker.wait_until_ready()
        yield settings
    finally:
        assert worker.stop() == 0


def test_every_python_program_of_the_page_is_run() -> None:
    assert list(PROGRAMS) == ["confluent-kafka", "aiokafka", "kafka-python"]
    assert PAGE.count("run by tests/docs/test_cookbook.py -->") == len(PROGRAMS)


def test_each_publishes_where_the_workers_look_and_reads_its_own_write(worker: Settings) -> None:
    environment = clean_environment(BOOTSTRAP=worker.bus.bootstrap, REDIS_URL=worker.store.url)
    for name, program in PROGRAMS.items():
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, f"{name}\n{ended.stderr}"
        partition, offset, *_ = ended.stdout.split()
        user = re.search(r'"(\w+-ann)"', program)
        assert user is not None
        with Client(worker.store) as client:
            slate = wait_until(
                lambda user=user, client=client: client.recommendations(user.group(1)).slate,
                30,
                f"{name}'s slate",
            )
        assert (slate.as_of.partition, slate.as_of.offset) == (int(partition), int(offset))
