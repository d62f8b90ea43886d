"""deploy/prometheus and deploy/grafana over a shop at work: each query has data, each rule is loaded and can speak."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.demo import watched
from tests.deploy.prometheus import Prometheus, compared, program
from tests.deploy.test_monitoring import DASHBOARDS, PROMETHEUS, VARIABLES, alerts, targets
from tests.waiting import wait_until

SECONDS = 120.0
"""Exposure is counted every 15 s, an arm's ranker begins 5 s after its experiment; and other tests run beside."""


def filled(query: str) -> str:
    """With a value for each of Grafana's variables."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


PANELS = {f"{title} {n}": filled(query) for n, (title, query, _) in enumerate(targets())}
RULES = {f"{rule['alert']} {n}": part for rule in alerts() for n, part in enumerate(compared(rule["expr"]))}
QUERIES = PANELS | RULES


@pytest.fixture(scope="module")
def prometheus(tansu: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    program("prometheus")
    with watched(tansu, tmp_path_factory.mktemp("prometheus"), PROMETHEUS / "prometheus.yml") as found:
        yield found


def test_every_target_is_scraped(prometheus: Prometheus) -> None:
    def scraped() -> bool:
        found = prometheus.ask("/targets")["activeTargets"]
        healthy = {each["labels"]["job"] for each in found if each["health"] == "up"}
        return healthy == {"stream-rec", "stream-rec-serve"}

    wait_until(scraped, SECONDS, "both to be scraped")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_every_query_has_data(prometheus: Prometheus, query: str) -> None:
    assert wait_until(lambda: prometheus.values(query), SECONDS, f"data of {query}")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_choice_of_a_board_has_values(prometheus: Prometheus, dashboard: Path) -> None:
    for variable in json.loads(dashboard.read_text())["templating"]["list"]:
        if variable["type"] != "query":
            continue
        series, label = variable["query"].removeprefix("label_values(").removesuffix(")").split(", ")
        found = wait_until(
            lambda series=series, label=label: prometheus.ask(
                f"/label/{label}/values", **{"match[]": series}
            ),
            SECONDS,
            f"values of {label}",
        )
        assert set(found) == {"front", "back"}


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("/rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), SECONDS, "all to be evaluated")
    assert {rule["name"]: rule.get("lastError", "") for rule in rules()} == {
        rule["alert"]: "" for rule in alerts()
    }


@pytest.mark.parametrize("name", ["StreamRecDrift", "StreamRecExperimentRolledBack"])
def test_what_is_wrong_in_the_shop_is_told(prometheus: Prometheus, name: str) -> None:
    def fired() -> list[dict[str, Any]]:
        found = prometheus.ask("/alerts")["alerts"]
        return [each for each in found if (each["labels"]["alertname"], each["state"]) == (name, "firing")]

    (alert,) = wait_until(fired, SECONDS, f"{name} to fire")
    said = " ".join(alert["annotations"].values())
    assert "error" not in said
    assert "<no value>" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", PROMETHEUS / "alerts.yml"),
        ("check", "config", PROMETHEUS / "prometheus.yml"),
        ("test", "rules", Path(__file__).with_name("alerts.yml")),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_has_no_objection(arguments: tuple[str | Path, ...]) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
