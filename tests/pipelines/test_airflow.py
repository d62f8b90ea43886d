"""The DAG is parsed as Airflow parses it, waits for an alarm of the log, and is run by Airflow's own `dag.test()`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stream_rec.batch import publishing
from stream_rec.pipelines.alarms import METRICS
from stream_rec.pipelines.steps import Plan
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import ALARM
from stream_rec.schemas.records import Control
from stream_rec.settings import Settings

pytestmark = [pytest.mark.pipelines, pytest.mark.timeout(1200)]  # a JVM, on a machine that others use, too

DAG_FILE = """
# A file of Airflow's folder of DAGs.
from stream_rec.pipelines.airflow_dag import training
from stream_rec.pipelines.steps import Plan

dag = training(Plan({plan}), topic="{topic}")
"""
AS_AIRFLOW_DOES = """
import asyncio, json, sys
from airflow.dag_processing.dagbag import DagBag

folder, topic = sys.argv[1:]
bag = DagBag(folder)
assert not bag.import_errors, bag.import_errors
(dag,) = bag.dags.values()
(asset,) = dag.timetable.asset_condition.objects
(watcher,) = asset.watchers
print("tasks", json.dumps({name: sorted(task.downstream_task_ids) for name, task in dag.task_dict.items()}))

async def first():
    async for event in watcher.trigger.run():
        print("alarm", json.dumps(event.payload))
    await watcher.trigger.cleanup()

asyncio.run(first())
run = dag.test()
print("run", run.state)
"""


def alarm(metric: str, until: float) -> Control:
    body = {"metric": metric, "direction": "drop", "since": 1.0, "level": 0.2, "normal": 0.3, "until": until}
    return Control(ALARM, metric, 1.0, body)


def test_an_alarm_starts_the_steps(
    logged: Settings, plan: Plan, environment: dict[str, str], tmp_path: Path
) -> None:
    folder, home, topic = tmp_path / "dags", tmp_path / "airflow", f"{logged.bus.prefix}control"
    folder.mkdir()
    said = f"{plan.space!r}, {plan.mlflow!r}, {(*plan.train[:-1], '--holdout=0')!r}"  # one fit is enough here
    (folder / "stream_rec_training.py").write_text(DAG_FILE.format(plan=said, topic=topic))
    kafka = {
        "bootstrap.servers": logged.bus.bootstrap,
        "group.id": f"{logged.bus.group}-airflow",
        "auto.offset.reset": "earliest",
    }
    found = {
        **environment,
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_KAFKA_DEFAULT": json.dumps({"conn_type": "kafka", "extra": kafka}),
    }
    over, raised = alarm("served_hit_rate", 2.0), alarm("served_hit_rate", 4e9)
    with Publisher(logged.bus, logged.ingest) as publisher:
        publisher.publish_all([over, alarm("dead_letters", 4e9), raised])

    def run(*command: str) -> str:
        done = subprocess.run(command, env=found, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    run(str(Path(sys.executable).parent / "airflow"), "db", "migrate")
    lines = dict(
        line.split(" ", 1)
        for line in run(sys.executable, "-c", AS_AIRFLOW_DOES, str(folder), topic).splitlines()
        if line.startswith(("tasks ", "alarm ", "run "))
    )
    assert json.loads(lines["tasks"]) == {
        "check": ["train"],
        "train": ["shadow"],
        "shadow": ["figures"],
        "figures": [],
    }
    told = json.loads(lines["alarm"])
    assert (told["metric"], told["until"]) == (METRICS[0], 4e9)
    assert lines["run"] == "success"
    assert len(publishing.held(logged, "als")[0]) == 24
    assert Experiments(logged).one("als").experiment.state == "running"
