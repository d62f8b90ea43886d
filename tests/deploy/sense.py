"""What a manifest says that no cluster could follow, and that the schemas of kubernetes-validate 1.37.0 let pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS = {"m": Decimal("0.001")}
_FACTORS |= {unit: Decimal(1000) ** power for power, unit in enumerate(("", "k", "M", "G", "T"))}
_FACTORS |= {unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)}
_BYTES = ("memory", "storage", "ephemeral-storage")
_COUNTS = ("replicas", "minReplicas", "maxReplicas", "minReplicaCount", "maxReplicaCount", "minReadySeconds")
_LOWER_AND_UPPER = (("minReplicas", "maxReplicas"), ("minReplicaCount", "maxReplicaCount"))


def nonsense(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with quantities, counts and selectors; empty = nothing."""
    found = list(_in_tree(document))
    spec = document.get("spec", {})
    if "template" in spec and "selector" in spec:
        wanted = spec["selector"].get("matchLabels", {})
        labels = spec["template"]["metadata"].get("labels", {})
        if not wanted or wanted.items() - labels.items():
            found.append(f"selector {wanted} does not match the template's labels {labels}")
    return found


def _in_tree(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for entry in node:
            yield from _in_tree(entry)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in _COUNTS and value is not None and (not isinstance(value, int) or value < 0):
            yield f"{key}: {value}"
    for lower, upper in _LOWER_AND_UPPER:
        if node.get(lower, 0) > node.get(upper, node.get(lower, 0)):
            yield f"{lower} {node[lower]} is above {upper} {node[upper]}"
    if isinstance(resources := node.get("resources"), dict):
        yield from _of_resources(resources)
    for value in node.values():
        yield from _in_tree(value)


def _of_resources(resources: Mapping[str, Any]) -> Iterator[str]:
    amounts: dict[str, dict[str, Decimal]] = {"requests": {}, "limits": {}}
    for kind, of_kind in amounts.items():
        for name, text in resources.get(kind, {}).items():
            amount = _amount(name, str(text))
            if amount is None:
                yield f"{kind}: {name}: {text}"
            else:
                of_kind[name] = amount
    for name in amounts["requests"].keys() & amounts["limits"].keys():
        if amounts["requests"][name] > amounts["limits"][name]:
            yield f"more {name} is requested than the limit allows"


def _amount(name: str, text: str) -> Decimal | None:
    """None = no quantity of that resource: a whole megabyte is the least of bytes, a tenth of a core of CPU."""
    matched = _QUANTITY.fullmatch(text)
    if matched is None:
        return None
    amount = Decimal(matched[1]) * _FACTORS[matched[2] or ""]
    least = Decimal(1_000_000) if name in _BYTES else Decimal("0.1")
    return amount if amount >= least else None
