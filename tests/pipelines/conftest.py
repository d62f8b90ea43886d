"""A log on disk for the pipelines; what needs Kubeflow's kfp or Airflow is collected where there is one."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.pipelines.steps import Plan
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings
from stream_rec.sink.sink import Sink
from tests.cli.running import addresses

collect_ignore = [
    file
    for file, needs in (("test_kubeflow.py", "kfp"), ("test_airflow.py", "airflow"))
    if not find_spec(needs)
]
EVENTS = [
    Interaction(f"u{user}", f"i{2 * item + user % 2}", "click", 1_700_000_000.0 + 60 * item + user)
    for item in range(12)
    for user in range(20)
    if (user + item) % 4
]
"""180 clicks: half of the users like even items, half odd ones."""


@pytest.fixture
def logged(tansu_settings: Settings, tmp_path: Path) -> Settings:
    """Events in the log, and in the sink's files."""
    sink = tansu_settings.sink.model_copy(update={"url": str(tmp_path / "log"), "topics": ("events",)})
    settings = tansu_settings.model_copy(update={"sink": sink})
    ensure_topics(settings.bus)
    with Publisher(settings.bus, settings.ingest) as publisher:
        for event in EVENTS:
            publisher.send(event)
    with closing(Sink(settings, SystemClock())) as writer:
        while writer.totals.records + writer.n_pending < len(EVENTS):
            writer.step()
        writer.flush()
    return settings


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A small training, recorded in a file."""
    small = ("--master=local[1]", "--memory=1g", "--rank=4", "--iterations=3", "--holdout=0.2")
    return Plan("als", f"sqlite:///{tmp_path}/mlflow.db", small)


@pytest.fixture
def environment(logged: Settings) -> dict[str, str]:
    """What a step finds: our command, and settings that lead to the servers of the test."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # noqa: TID251
    topics = {"STREAM_REC__SINK__URL": logged.sink.url, "STREAM_REC__SINK__TOPICS": '["events"]'}
    return {"PATH": path} | addresses(logged) | topics
