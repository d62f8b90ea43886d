"""The pipeline compiles, and Kubeflow's own subprocess runner runs it: a training, a space, a shadow."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
import yaml
from kfp import local
from typer.testing import CliRunner

from stream_rec.batch import publishing, tracking
from stream_rec.cli.app import app
from stream_rec.pipelines.cluster import CLAIM, CONFIG_MAP, SECRET
from stream_rec.pipelines.kubeflow import NAME, pipeline_of
from stream_rec.pipelines.steps import Plan, steps_of
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.settings import Settings

pytestmark = [pytest.mark.pipelines, pytest.mark.timeout(1200)]  # a JVM, on a machine that others use, too


def test_the_command_compiles_it_for_a_cluster(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    said = CliRunner().invoke(
        app,
        [
            "pipeline",
            "compile",
            str(file),
            "--image",
            "shop/stream-rec-batch:1",
            "--env",
            "STREAM_REC__BUS__PREFIX",
        ],
    )
    assert said.exit_code == 0, said.output
    spec, platform = yaml.safe_load_all(file.read_text())
    assert spec["pipelineInfo"]["name"] == NAME
    tasks = spec["root"]["dag"]["tasks"].values()
    names = [step.name for step in steps_of(Plan())]
    assert sorted(task["taskInfo"]["name"] for task in tasks) == sorted(names)
    assert not any(task.get("cachingOptions", {}).get("enableCache") for task in tasks)
    assert sum(len(task.get("dependentTasks", ())) for task in tasks) == len(names) - 1
    executors = spec["deploymentSpec"]["executors"]
    assert {each["container"]["image"] for each in executors.values()} == {"shop/stream-rec-batch:1"}
    assert "pip install" not in file.read_text()
    for each in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        (settings,), (passwords,), (volume,) = each["configMapAsEnv"], each["secretAsEnv"], each["pvcMount"]
        assert (settings["configMapName"], passwords["secretName"]) == (CONFIG_MAP, SECRET)
        assert volume["constant"] == CLAIM
        assert {"configMapKey": "STREAM_REC__BUS__PREFIX", "envVar": "STREAM_REC__BUS__PREFIX"} in settings[
            "keyToEnv"
        ]


def test_the_subprocess_runner_trains_publishes_and_starts_the_shadow(
    logged: Settings,
    plan: Plan,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "outputs"))
    pipeline_of(plan, "python:3.11")()  # raises if a step fails
    items, length = publishing.held(logged, "als")
    assert (len(items), length) == (24, 4)
    shadow = Experiments(logged).one("als").experiment
    assert (shadow.kind, shadow.state) == ("shadow", "running")
    client = mlflow.MlflowClient(plan.mlflow)
    recorded = client.get_model_version_by_alias(f"{logged.bus.prefix}als", tracking.CHALLENGER)
    assert client.get_run(recorded.run_id).data.metrics["events"] == 180
