"""Debian's Prometheus over parts of ours, and what of a rule's expression must have data though nothing is wrong."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import promql_parser
import pytest
import yaml

from stream_rec.embedded.child_process import Child
from stream_rec.embedded.server import READY_SECONDS, Server, ServerFolder, start_on_free_port

LOOK_SECONDS = 5
"""Between two looks, and what one may take: other tests run beside, and a part may wait for a processor."""
COMPARISONS = (">", "<", ">=", "<=", "==", "!=")
SETS = ("and", "or", "unless")


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`; without it the test is skipped, or with CI set fails."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):  # noqa: TID251 - as for Apache Kafka: CI must not skip
            pytest.fail(f"there is no {name}: apt-get install prometheus")
        pytest.skip(f"there is no {name}: apt-get install prometheus")
    return found


class Prometheus(Server):
    """A running Prometheus; it scrapes every few seconds."""

    def __init__(self, port: int, folder: ServerFolder, config: Path) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30)
        argv = [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder.data}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        child = Child.start("prometheus", argv, log_path=folder.log_path, folder=folder.data)
        child.wait_ready(lambda: child.listens_on(port) and self._is_ready(), READY_SECONDS)
        super().__init__(child, folder)

    @classmethod
    def start(cls, folder: Path, shipped: Path, targets: Mapping[str, str]) -> Self:
        """Start it with a configuration that we ship, over other targets.

        Args:
            folder: keeps its log and configuration.
            shipped: the configuration.
            targets: host and port by the name of the job.
        """
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(_over(yaml.safe_load(shipped.read_text()), shipped.parent, targets)))
        return start_on_free_port("prometheus", folder, lambda port, own: cls(port, own, config))

    def ask(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of its API."""
        answer = self._http.get(path, params=parameters)
        found = answer.json()
        assert found["status"] == "success", found
        return found["data"]

    def values(self, query: str) -> list[float]:
        """Of each sample that is a number: 0 / 0 draws nothing."""
        data = self.ask("/query", query=query)
        is_scalar = data["resultType"] == "scalar"  # `time() - 86400`
        samples = [data["result"]] if is_scalar else [each["value"] for each in data["result"]]
        values = [float(value) for _, value in samples]
        return [value for value in values if math.isfinite(value)]

    def stop(self) -> None:
        self._http.close()
        super().stop()

    def _is_ready(self) -> bool:
        try:
            return self._http.get("/query", params={"query": "1"}).status_code == 200
        except httpx.TransportError:
            return False


def _over(config: dict[str, Any], folder: Path, targets: Mapping[str, str]) -> dict[str, Any]:
    config["global"] |= dict.fromkeys(("scrape_interval", "evaluation_interval"), f"{LOOK_SECONDS}s")
    config["rule_files"] = [str(folder / name) for name in config["rule_files"]]
    jobs = config["scrape_configs"]
    assert {job["job_name"] for job in jobs} == targets.keys()
    for job in jobs:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
    return config


def compared(expression: str) -> list[str]:
    """What a rule compares, joins or finds absent: without its thresholds, each of these has data in a healthy shop."""
    return [node.prettify() for node in _compared(promql_parser.parse(expression))]


def _compared(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.ParenExpr):
        yield from _compared(node.expr)
    elif isinstance(node, promql_parser.Call) and node.func.name == "absent":
        yield from _compared(node.args[0])
    elif isinstance(node, promql_parser.BinaryExpr) and str(node.op) in (*COMPARISONS, *SETS):
        yield from _compared(node.lhs)
        yield from _compared(node.rhs)
    elif not isinstance(node, promql_parser.NumberLiteral):
        yield node
