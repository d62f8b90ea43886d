"""The manifests as objects, and schemas for the kinds that Kubernetes itself does not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
COMPONENTS = sorted(path.parent for path in KUBERNETES.glob("components/*/kustomization.yaml"))

_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """Exactly these fields."""
    fields = required | optional
    return {
        "type": "object",
        "properties": fields,
        "required": sorted(required),
        "additionalProperties": False,
    }


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


def _kind(version: str, spec: dict[str, Any]) -> dict[str, Any]:
    labels = {"type": "object", "additionalProperties": _TEXT}
    metadata = _object({"name": _TEXT}, labels=labels)
    return _object({"apiVersion": {"const": version}, "kind": _TEXT, "metadata": metadata, "spec": spec})


_SECRET_REFERENCE = _object({"parameter": _TEXT, "name": _TEXT, "key": _TEXT})
_TRIGGER = _object(
    {
        "type": {"const": "kafka"},
        "metadata": _object(
            {"bootstrapServers": _TEXT, "consumerGroup": _TEXT, "topic": _TEXT},
            lagThreshold={"type": "string", "pattern": r"^\d+$"},
            offsetResetPolicy={"enum": ["earliest", "latest"]},
            limitToPartitionsWithLag={"enum": ["true", "false"]},
            sasl={"enum": ["none", "plaintext", "scram_sha256", "scram_sha512"]},
            tls={"enum": ["enable", "disable"]},
        ),
    },
    authenticationRef=_object({"name": _TEXT}),
)
OTHER_KINDS = {
    "ScaledObject": _kind(
        "keda.sh/v1alpha1",
        _object(
            {"scaleTargetRef": _object({"name": _TEXT}), "triggers": _list(_TRIGGER)},
            pollingInterval=_COUNT,
            minReplicaCount=_COUNT,
            maxReplicaCount=_COUNT,
            advanced=_object({"horizontalPodAutoscalerConfig": _object({"behavior": {"type": "object"}})}),
        ),
    ),
    "TriggerAuthentication": _kind(
        "keda.sh/v1alpha1", _object({"secretTargetRef": _list(_SECRET_REFERENCE)})
    ),
    "PodMonitor": _kind(
        "monitoring.coreos.com/v1",
        _object(
            {
                "selector": _object({"matchLabels": {"type": "object", "additionalProperties": _TEXT}}),
                "podMetricsEndpoints": _list(
                    _object({"port": _TEXT}, path=_TEXT, interval={"type": "string", "pattern": r"^\d+s$"})
                ),
            }
        ),
    ),
    "Kustomization": _object(
        {"apiVersion": {"const": "kustomize.config.k8s.io/v1beta1"}, "kind": _TEXT, "resources": _list(_TEXT)}
    ),
    "Component": _object(
        {
            "apiVersion": {"const": "kustomize.config.k8s.io/v1alpha1"},
            "kind": _TEXT,
        },
        resources=_list(_TEXT),
        patches=_list({"anyOf": [_object({"patch": _TEXT}), _object({"path": _TEXT})]}),
    ),
}
"""Strict schemas of what we use of them."""


def every_file() -> list[Path]:
    """Whole manifests; patches are seen in what Kustomize builds."""
    return sorted(path for path in KUBERNETES.rglob("*.yaml") if not path.name.endswith(".patch.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def every_document() -> Iterator[dict[str, Any]]:
    for path in every_file():
        yield from documents(path)


def of_kind(kind: str) -> dict[str, Any]:
    """The only one of its kind."""
    (found,) = [document for document in every_document() if document["kind"] == kind]
    return found


def container() -> dict[str, Any]:
    """The worker's."""
    (found,) = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)
