"""deploy/kubernetes: valid by Kubernetes' own schemas, and it names only what there is."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from stream_rec.bus.security import checked
from stream_rec.cli.app import app
from stream_rec.consumers.worker import STOP_SECONDS
from stream_rec.settings import Settings, load
from stream_rec.settings.table import secrets
from tests.deploy.manifests import (
    COMPONENTS,
    KUBERNETES,
    OTHER_KINDS,
    ROOT,
    container,
    documents,
    every_document,
    every_file,
    of_kind,
)
from tests.deploy.sense import nonsense

VERSIONS = ("1.30", "1.33")
"""The oldest and the newest that we say it is for; kubernetes-validate holds the schemas of both."""
LABELS = {"app.kubernetes.io/name": "stream-rec", "app.kubernetes.io/component": "worker"}


def environment() -> dict[str, str]:
    """What the worker's process finds; secrets stand in by name."""
    plain = of_kind("ConfigMap")["data"]
    return plain | {entry["name"]: entry["valueFrom"]["secretKeyRef"]["key"] for entry in container()["env"]}


def settings() -> Settings:
    return load(environment=environment())[0]


@pytest.mark.parametrize("path", every_file(), ids=lambda path: str(path.relative_to(KUBERNETES)))
def test_every_manifest_keeps_to_its_schema_and_to_nothing_else(path: Path) -> None:
    for document in documents(path):
        if document["kind"] in OTHER_KINDS:
            jsonschema.validate(document, OTHER_KINDS[document["kind"]])
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)


def test_the_schemas_are_strict() -> None:
    wrong = of_kind("Deployment") | {"specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


@pytest.mark.parametrize(
    "path", sorted(KUBERNETES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(KUBERNETES))
)
def test_quantities_counts_and_selectors_make_sense(path: Path) -> None:
    assert [fault for document in documents(path) for fault in nonsense(document)] == []


@pytest.mark.parametrize(
    ("at", "value", "fault"),
    [
        ("resources/requests/memory", "1GB", "requests: memory: 1GB"),
        ("resources/limits/memory", "3gb", "limits: memory: 3gb"),
        ("resources/limits/memory", "3", "limits: memory: 3"),
        ("resources/limits/memory", "300m", "limits: memory: 300m"),
        ("resources/requests/cpu", "lots", "requests: cpu: lots"),
        ("resources/requests/cpu", "-1", "requests: cpu: -1"),
        ("resources/requests/memory", "4Gi", "more memory is requested than the limit allows"),
        ("replicas", -1, "replicas: -1"),
        ("replicas", "2", "replicas: 2"),
    ],
)
def test_nonsense_that_the_schemas_let_pass_is_found(at: str, value: object, fault: str) -> None:
    wrong = copy.deepcopy(of_kind("Deployment"))
    (worker,) = wrong["spec"]["template"]["spec"]["containers"]
    *way, last = at.split("/")
    node = worker if way else wrong["spec"]
    for key in way:
        node = node[key]
    node[last] = value
    assert nonsense(wrong) == [fault]


def test_a_selector_beside_its_template_is_found() -> None:
    wrong = copy.deepcopy(of_kind("Deployment"))
    wrong["spec"]["selector"]["matchLabels"] = {"app.kubernetes.io/name": "other"}
    kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)
    (fault,) = nonsense(wrong)
    assert "does not match the template's labels" in fault


def test_kustomizations_name_every_file_beside_them() -> None:
    for path in KUBERNETES.rglob("kustomization.yaml"):
        (kustomization,) = documents(path)
        beside = {file.name for file in path.parent.glob("*.yaml")} - {"kustomization.yaml"}
        patches = {patch["path"] for patch in kustomization.get("patches", ()) if "path" in patch}
        assert set(kustomization["resources"]) | patches == beside


def test_the_environment_is_settings_that_exist_and_make_an_encrypted_connection() -> None:
    found = settings()
    assert found.bus.security["security.protocol"] == "SASL_SSL"
    assert found.store.url.startswith("rediss://")
    assert checked(found.bus.security)


def test_every_secret_comes_from_the_secret_and_none_stands_in_clear() -> None:
    from_secret = {entry["valueFrom"]["secretKeyRef"]["key"] for entry in container()["env"]}
    assert set(secrets(settings())) <= from_secret
    assert not list(secrets(load(environment=of_kind("ConfigMap")["data"])[0]))
    assert "Secret" not in {document["kind"] for document in every_document()}
    for path in every_file():
        for key, value in re.findall(
            r"(?i)^\s*(\S*(?:password|token|secret)\S*):[ \t]*(\S.*)$", path.read_text(), re.M
        ):
            assert key in ("secretName", "automountServiceAccountToken"), f"{path.name}: {key}: {value}"


def test_files_that_settings_name_are_mounted() -> None:
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    folders = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    mounted = {
        f"{folders[volume['name']]}/{item['path']}"
        for volume in pod["volumes"]
        for item in volume["secret"]["items"]
    }
    named = {settings().bus.security["ssl.ca.location"], settings().store.ca_file}
    assert named == mounted


def test_the_metrics_port_is_one_everywhere_and_probes_ask_there() -> None:
    found, worker = settings(), container()
    port = found.measure.prometheus_port
    assert found.measure.prometheus_host == "0.0.0.0"
    assert f"EXPOSE {port}" in (ROOT / "Dockerfile").read_text()
    assert worker["ports"] == [{"name": "metrics", "containerPort": port}]
    asked = {name: worker[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {get["port"] for get in asked.values()} == {"metrics"}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startupProbe": "/live",
        "livenessProbe": "/live",
        "readinessProbe": "/ready",
    }
    (service_port,) = of_kind("Service")["spec"]["ports"]
    assert (service_port["port"], service_port["targetPort"]) == (port, "metrics")
    (scraped,) = of_kind("PodMonitor")["spec"]["podMetricsEndpoints"]
    assert scraped["port"] == "metrics"


def test_the_command_is_one_of_ours_with_options_that_it_has() -> None:
    (entry,) = re.findall(r'^ENTRYPOINT \["(.+)"\]$', (ROOT / "Dockerfile").read_text(), re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert entry in project["scripts"]
    assert "command" not in container()
    *options, command = container()["args"]
    known: Any = get_command(app)
    assert command in known.commands
    assert set(options) <= {name for option in known.params for name in option.opts}
    assert container()["image"] == f"{project['name']}:{project['version']}"


def test_selectors_find_the_workers_and_only_them() -> None:
    spec = of_kind("Deployment")["spec"]
    assert spec["template"]["metadata"]["labels"] == LABELS
    selectors = [
        spec["selector"]["matchLabels"],
        of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind("Service")["spec"]["selector"],
        of_kind("PodMonitor")["spec"]["selector"]["matchLabels"],
        *(
            spread["labelSelector"]["matchLabels"]
            for spread in spec["template"]["spec"]["topologySpreadConstraints"]
        ),
    ]
    assert all(selector == LABELS for selector in selectors)


def test_scalers_watch_the_workers_group_and_never_want_more_workers_than_partitions() -> None:
    found = settings()
    scaled, plain = of_kind("ScaledObject")["spec"], of_kind("HorizontalPodAutoscaler")["spec"]
    (trigger,) = scaled["triggers"]
    kafka = trigger["metadata"]
    assert kafka["bootstrapServers"] == found.bus.bootstrap
    assert kafka["consumerGroup"] == found.bus.group
    assert kafka["topic"] == f"{found.bus.prefix}events"
    assert kafka["sasl"].replace("_", "") == found.bus.security["sasl.mechanisms"].lower().replace("-", "")
    for most in (scaled["maxReplicaCount"], plain["maxReplicas"]):
        assert most <= Settings().bus.partitions
        assert most <= found.bus.partitions
    assert scaled["minReplicaCount"] == plain["minReplicas"] == of_kind("Deployment")["spec"]["replicas"]
    assert {scaled["scaleTargetRef"]["name"], plain["scaleTargetRef"]["name"]} == {"stream-rec"}
    (metric,) = plain["metrics"]
    assert metric["pods"]["target"]["averageValue"] == kafka["lagThreshold"]


def test_keda_logs_in_as_the_worker_does() -> None:
    (trigger,) = of_kind("ScaledObject")["spec"]["triggers"]
    login = of_kind("TriggerAuthentication")
    assert trigger["authenticationRef"]["name"] == login["metadata"]["name"]
    keys = {entry["parameter"]: entry["key"] for entry in login["spec"]["secretTargetRef"]}
    assert keys.keys() == {"username", "password", "ca"}
    ours = {entry["name"]: entry["valueFrom"]["secretKeyRef"]["key"] for entry in container()["env"]}
    assert keys["password"] == ours["STREAM_REC__BUS__SECURITY__SASL_PASSWORD"]


def test_a_rollout_takes_no_worker_away_before_another_is_ready() -> None:
    spec = of_kind("Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert of_kind("PodDisruptionBudget")["spec"]["maxUnavailable"] < spec["replicas"]
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > STOP_SECONDS


def test_the_worker_has_no_more_rights_than_it_needs() -> None:
    pod, own = of_kind("Deployment")["spec"]["template"]["spec"], container()["securityContext"]
    (uid,) = re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == int(uid)
    assert not pod["automountServiceAccountToken"]
    assert not own["allowPrivilegeEscalation"]
    assert own["capabilities"]["drop"] == ["ALL"]


def test_kustomize_itself_builds_the_base_and_every_component(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl here")
    shutil.copytree(KUBERNETES, tmp_path / "base")
    for component in COMPONENTS:
        overlay = tmp_path / component.name
        overlay.mkdir()
        (overlay / "kustomization.yaml").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "kustomize.config.k8s.io/v1beta1",
                    "kind": "Kustomization",
                    "resources": ["../base"],
                    "components": [f"../base/components/{component.name}"],
                }
            )
        )
        built = subprocess.run(
            [kubectl, "kustomize", str(overlay)], capture_output=True, text=True, check=False, timeout=60
        )
        assert built.returncode == 0, built.stderr
        made = {document["kind"]: document for document in yaml.safe_load_all(built.stdout)}
        kubernetes_validate.validate(made["Deployment"], VERSIONS[-1], strict=True)
        assert made.keys() >= {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service"}
        is_scaled = component.name in ("keda", "hpa")
        assert ("replicas" in made["Deployment"]["spec"]) is not is_scaled


def test_snapshots_go_to_the_volume_that_is_mounted() -> None:
    folder = KUBERNETES / "components" / "snapshots"
    (patch,) = documents(folder / "deployment.patch.yaml")
    pod = patch["spec"]["template"]["spec"]
    (worker,), (volume,) = pod["containers"], pod["volumes"]
    (mount,) = worker["volumeMounts"]
    found, _ = load(environment={entry["name"]: entry["value"] for entry in worker["env"]})
    assert found.snapshot.url == mount["mountPath"]
    assert mount["name"] == volume["name"]
    claim = of_kind("PersistentVolumeClaim")
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_a_stop_has_time_for_the_last_snapshot() -> None:
    grace = of_kind("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > STOP_SECONDS + Settings().snapshot.stop_seconds
