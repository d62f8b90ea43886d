"""deploy/serve: valid by Kubernetes' own schemas, and it names only what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
FILES = sorted(FOLDER.rglob("*.yaml"))
MONITOR = "components/pod-monitor/podmonitor"
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
        if found["kind"] in ("Kustomization", "Component"):
            assert set(found.get("resources", ())) == {file.name for file in path.parent.glob("*.yaml")} - {
                path.name
            }
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
        document(MONITOR)["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector == LABELS for selector in selectors)


def test_its_metrics_are_scraped_where_they_are() -> None:
    (endpoint,) = document(MONITOR)["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in container()["ports"]}
    assert endpoint["path"] in {operation.path for operation in table() if operation.scope is None}


def test_the_autoscaler_decides_how_many_there_are() -> None:
    wanted, deployment = document("autoscaler")["spec"], document("deployment")
    assert wanted["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"]
    assert wanted["minReplicas"] > document("disruption")["spec"].get("maxUnavailable", 1)
    (metric,) = wanted["metrics"]
    assert metric["resource"]["name"] in container()["resources"]["requests"]


def test_the_network_lets_it_reach_its_servers_and_nothing_else() -> None:
    spec, found = document("network")["spec"], settings()
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [{"ports": [{"port": "http"}]}]
    names, *servers = spec["egress"]
    assert {each["port"] for each in names["ports"]} == {53}
    reached = {
        (rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in servers
        for port in rule["ports"]
    }
    wanted = [urlsplit(f"//{found.bus.bootstrap}"), urlsplit(found.store.url)]
    assert reached == {((at.hostname or "").split(".")[1], at.port) for at in wanted}


def test_live_servers_have_what_a_worker_has_and_time_to_catch_up() -> None:
    parts = {
        part["kind"]: part
        for each in document("components/live/kustomization")["patches"]
        for part in [yaml.safe_load(each["patch"])]
    }
    for kind, name in (("ConfigMap", "configmap"), ("Deployment", "deployment")):
        assert parts[kind]["metadata"]["name"] == document(name)["metadata"]["name"]
    found = load(environment=document("configmap")["data"] | parts["ConfigMap"]["data"])[0]
    assert found.serve.live
    (own,) = parts["Deployment"]["spec"]["template"]["spec"]["containers"]
    worker = manifests.container()
    assert own["name"] == container()["name"]
    assert own["resources"] == worker["resources"]
    of_worker = worker["securityContext"]["readOnlyRootFilesystem"]
    assert own["securityContext"]["readOnlyRootFilesystem"] is of_worker
    probe = own["startupProbe"]
    assert probe["httpGet"]["path"] in {operation.path for operation in table() if operation.scope is None}
    assert probe["timeoutSeconds"] > found.store.timeout_seconds
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 3600


def test_a_server_that_has_no_memory_for_an_engine_makes_no_previews() -> None:
    """They would take the whole pod with them."""
    assert not settings().serve.previews


def test_what_is_promised_is_sent_before_the_pod_is_killed() -> None:
    pod, serve = document("deployment")["spec"]["template"]["spec"], settings().serve
    _, pause = container()["lifecycle"]["preStop"]["exec"]["command"]
    needed = float(pause) + serve.drain_seconds + serve.publish_timeout_seconds
    assert pod["terminationGracePeriodSeconds"] > needed + 10


def test_only_the_api_is_reached_from_outside() -> None:
    spec = document("ingress")["spec"]
    (rule,) = spec["rules"]
    assert [each["hosts"] for each in spec["tls"]] == [[rule["host"]]]
    (path,) = rule["http"]["paths"]
    assert path["path"] == "/v1"
    assert path["backend"]["service"]["name"] == document("service")["metadata"]["name"]
