"""deploy/batch: valid by Kubernetes' own schemas, and it names only what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from stream_rec.bus.security import checked
from stream_rec.cli.app import app
from stream_rec.pipelines import cluster
from stream_rec.settings import Settings, load
from tests.deploy import manifests
from tests.deploy.manifests import OTHER_KINDS, ROOT
from tests.deploy.sense import nonsense
from tests.deploy.test_kubernetes import VERSIONS

FOLDER = ROOT / "deploy" / "batch"
FILES = sorted(FOLDER.rglob("*.yaml"))


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return found


def pod(name: str) -> dict[str, Any]:
    spec = document(name)["spec"]
    template: dict[str, Any] = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]
    return dict(template["spec"])


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    return dict(found)


def settings(name: str) -> Settings:
    secret = {entry["name"]: entry["valueFrom"]["secretKeyRef"]["key"] for entry in container(name)["env"]}
    return load(environment=document("configmap")["data"] | secret)[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_manifest_keeps_to_its_schema_and_makes_sense(path: Path) -> None:
    found = yaml.safe_load(path.read_text())
    if found["kind"] in OTHER_KINDS:
        jsonschema.validate(found, OTHER_KINDS[found["kind"]])
        assert set(found["resources"]) == {file.name for file in FILES} - {path.name}
        return
    for version in VERSIONS:
        kubernetes_validate.validate(found, version, strict=True)
    assert nonsense(found) == []


@pytest.mark.parametrize("name", ["sink", "training"])
def test_it_talks_to_the_workers_servers_and_the_volume_is_the_sink_s(name: str) -> None:
    found, workers = settings(name), load(environment=manifests.of_kind("ConfigMap")["data"])[0]
    assert (found.bus.bootstrap, found.bus.group) == (workers.bus.bootstrap, workers.bus.group)
    assert (found.bus.prefix, found.store.url) == (workers.bus.prefix, workers.store.url)
    assert checked(found.bus.security)
    mounted = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
    assert found.sink.url == mounted["log"]
    volumes = {volume["name"]: volume for volume in pod(name)["volumes"]}
    assert volumes["log"]["persistentVolumeClaim"]["claimName"] == document("volume")["metadata"]["name"]
    files = {f"{mounted['authorities']}/{item['path']}" for item in volumes["authorities"]["secret"]["items"]}
    assert found.bus.security["ssl.ca.location"] in files
    if name == "training":
        assert found.store.ca_file in files


def test_the_job_runs_the_steps_of_the_pipeline_as_our_command_prints_them() -> None:
    (script,) = container("training")["args"]
    (arguments,) = re.findall(r"\$\(stream-rec (.+)\)$", script, re.M)
    printed = CliRunner().invoke(app, arguments.split())
    assert printed.exit_code == 0
    assert "--mlflow http://mlflow.mlflow.svc:5000 --memory=4g" in printed.output
    assert container("training")["command"] == ["sh", "-ec"]


def test_images_are_of_this_version_and_the_training_s_has_the_extras_that_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = (FOLDER / "Dockerfile").read_text()
    plain, ours = manifests.container()["image"], container("training")["image"]
    assert container("sink")["image"] == plain
    assert f"\nFROM {plain}\n" in recipe
    assert f"`docker build -t {ours} deploy/batch`" in recipe
    (extras,) = re.findall(rf"'stream-rec\[(.+)\]=={re.escape(project['version'])}'", recipe)
    assert set(extras.split(",")) == {"batch", "mlflow", "kubeflow"} <= {*project["optional-dependencies"]}


def test_the_kubeflow_pipeline_finds_the_same_objects_by_the_same_names() -> None:
    config = document("configmap")
    assert (config["metadata"]["name"], tuple(config["data"])) == (cluster.CONFIG_MAP, cluster.SETTINGS)
    secrets = {
        entry["valueFrom"]["secretKeyRef"]["key"]: entry["name"] for entry in container("training")["env"]
    }
    assert secrets == cluster.PASSWORDS
    mounted = {mount["name"]: mount["mountPath"] for mount in container("training")["volumeMounts"]}
    assert mounted == {"authorities": cluster.AUTHORITIES, "log": cluster.LOG}
    volumes = {volume["name"]: volume for volume in pod("training")["volumes"]}
    assert volumes["authorities"]["secret"]["secretName"] == cluster.SECRET
    assert volumes["log"]["persistentVolumeClaim"]["claimName"] == cluster.CLAIM
