"""deploy/bridge and the service in docker-compose.yml: valid, and they name only what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from stream_rec.bus.security import checked
from stream_rec.consumers.bridge.inputs import inputs_of
from stream_rec.settings import Settings, load
from tests.deploy import manifests
from tests.deploy.manifests import OTHER_KINDS, ROOT
from tests.deploy.sense import nonsense
from tests.deploy.test_kubernetes import VERSIONS

FOLDER = ROOT / "deploy" / "bridge"
FILES = sorted(FOLDER.rglob("*.yaml"))
MONITOR = "components/pod-monitor/podmonitor"
LABELS = {"app.kubernetes.io/name": "stream-rec", "app.kubernetes.io/component": "bridge"}


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return found


def container() -> dict[str, Any]:
    (found,) = document("deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def settings(file: Path) -> Settings:
    secret = {entry["name"]: entry["valueFrom"]["secretKeyRef"]["key"] for entry in container()["env"]}
    return load(file=file, environment=document("configmap")["data"] | secret)[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_manifest_keeps_to_its_schema_and_makes_sense(path: Path) -> None:
    found = yaml.safe_load(path.read_text())
    if found["kind"] in OTHER_KINDS:
        jsonschema.validate(found, OTHER_KINDS[found["kind"]])
        if "resources" in found:
            beside = {file.name for file in path.parent.glob("*.yaml")}
            assert set(found["resources"]) == beside - {path.name}
        return
    for version in VERSIONS:
        kubernetes_validate.validate(found, version, strict=True)
    assert nonsense(found) == []


def test_inputs_and_settings_make_a_bridge_on_the_workers_kafka(tmp_path: Path) -> None:
    file = tmp_path / "inputs.toml"
    file.write_text(document("inputs")["data"]["inputs.toml"])
    found, workers = settings(file), load(environment=manifests.of_kind("ConfigMap")["data"])[0]
    assert (found.bus.bootstrap, found.bus.group) == (workers.bus.bootstrap, workers.bus.group)
    assert (found.bus.partitions, found.bus.replication) == (workers.bus.partitions, workers.bus.replication)
    assert found.bus.prefix == workers.bus.prefix
    assert checked(found.bus.security)
    plain = found.model_copy(update={"registry": found.registry.model_copy(update={"ca_file": ""})})
    assert list(inputs_of(plain)) == ["shop.clicks"]


def test_ports_probes_and_selectors_are_the_bridge_s() -> None:
    own, spec = container(), document("deployment")["spec"]
    port = document("configmap")["data"]["STREAM_REC__BRIDGE__PROMETHEUS_PORT"]
    assert own["ports"] == [{"name": "metrics", "containerPort": int(port)}]
    assert own["image"] == manifests.container()["image"]
    assert own["args"][1] == "bridge"
    mounted = {mount["name"]: mount["mountPath"] for mount in own["volumeMounts"]}
    assert own["args"][-1] == f"{mounted['inputs']}/inputs.toml"
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"] == LABELS
    scraped = document(MONITOR)["spec"]
    assert scraped["selector"]["matchLabels"] == LABELS
    assert scraped["podMetricsEndpoints"][0]["port"] == own["ports"][0]["name"]


def test_the_service_of_compose_finds_the_workers_kafka_and_its_inputs() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    bridge, worker = services["bridge"], services["worker"]
    name = "STREAM_REC__BUS__BOOTSTRAP"
    assert bridge["environment"][name] == worker["environment"][name]
    source, target, _ = bridge["volumes"][0].split(":")
    assert bridge["command"] == f"bridge --config {target}"
    assert bridge["profiles"] == ["bridge"]
    assert inputs_of(load(file=ROOT / source, environment={})[0])
