"""deploy/serve: valid by Kubernetes' own schemas, and it names only what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from stream_rec.api.app import table
from stream_rec.bus.security import checked
from stream_rec.settings import Settings, load
from tests.deploy import manifests
from tests.deploy.manifests import OTHER_KINDS, ROOT
from tests.deploy.sense import nonsense
from tests.deploy.test_kubernetes import VERSIONS

FOLDER = ROOT / "deploy" / "serve"
FILES = sorted(FOLDER.glob("*.yaml"))
LABELS = {"app.kubernetes.io/name": "stream-rec", "app.kubernetes.io/component": "serve"}


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return found


def container() -> dict[str, Any]:
    (found,) = document("deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def settings() -> Settings:
    secret = {entry["name"]: entry["valueFrom"]["secretKeyRef"]["key"] for entry in container()["env"]}
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


def test_it_talks_to_the_workers_servers_as_a_user_of_its_own() -> None:
    found, workers = settings(), load(environment=manifests.of_kind("ConfigMap")["data"])[0]
    assert (found.bus.bootstrap, found.bus.group) == (workers.bus.bootstrap, workers.bus.group)
    assert (found.bus.prefix, found.store.prefix) == (workers.bus.prefix, workers.store.prefix)
    assert found.store.url == workers.store.url
    assert found.store.username != workers.store.username
    assert checked(found.bus.security)


def test_ports_and_probes_are_the_servers() -> None:
    own = container()
    assert own["ports"] == [{"name": "http", "containerPort": settings().serve.port}]
    routes = {operation.path for operation in table() if operation.scope is None}
    asked = [own[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")]
    assert {get["path"] for get in asked} <= routes
    assert {get["port"] for get in asked} == {"http"}
    assert document("service")["spec"]["ports"][0]["targetPort"] == "http"
    assert own["image"] == manifests.container()["image"]
    assert own["args"][-1] == "serve"


def test_selectors_find_the_servers_and_only_them() -> None:
    spec = document("deployment")["spec"]
    selectors = [
        spec["selector"]["matchLabels"],
        spec["template"]["metadata"]["labels"],
        document("service")["spec"]["selector"],
        document("disruption")["spec"]["selector"]["matchLabels"],
        document("network")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector == LABELS for selector in selectors)


def test_what_is_promised_is_sent_before_the_pod_is_killed() -> None:
    pod, serve = document("deployment")["spec"]["template"]["spec"], settings().serve
    _, pause = container()["lifecycle"]["preStop"]["exec"]["command"]
    needed = float(pause) + serve.drain_seconds + serve.publish_timeout_seconds
    assert pod["terminationGracePeriodSeconds"] > needed + 10


def test_only_the_api_is_reached_from_outside() -> None:
    (rule,) = document("ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["path"] == "/v1"
    assert path["backend"]["service"]["name"] == document("service")["metadata"]["name"]
