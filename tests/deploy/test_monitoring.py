"""deploy/prometheus and deploy/grafana ask only for metrics and labels that a worker, or the HTTP server, shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from stream_rec.api.measures import Measures
from stream_rec.settings import Settings
from stream_rec.settings.table import list_settings
from stream_rec.telemetry.metric_table import ALARMS, EXPERIMENTS, EXPOSURE, METRICS, PREFIX, Kind
from tests.deploy.manifests import ROOT, container
from tests.docs.test_pages import BRANCHES

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
OF_THE_SCRAPE = {"job", "instance"}
VARIABLES = {"$__rate_interval": "5m", "$experiment": ".*"}


def labels_of_series() -> dict[str, set[str]]:
    """Every series on /metrics with its labels."""
    series: dict[str, set[str]] = {"up": set()}
    for metric in METRICS:
        if metric.prometheus:
            name, labels = PREFIX + metric.prometheus, set(metric.labels)
            suffixes = {
                Kind.RATIO: ("_sum", "_count"),
                Kind.COUNT: ("_total",),
                Kind.GAUGE: ("",),
                Kind.DURATIONS: ("_bucket", "_sum", "_count"),
            }[metric.kind]
            series |= {
                name + suffix: labels | ({"le"} if suffix == "_bucket" else set()) for suffix in suffixes
            }
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    series |= {sample.name: set() for family in registry.collect() for sample in family.samples}
    for family in text_string_to_metric_families(of_the_http_server()):
        series |= {sample.name: set(sample.labels) for sample in family.samples}
    return series


def of_the_http_server() -> str:
    """/metrics of a live server that has answered."""
    measures = Measures()
    measures.answered("GET", "/v1/lag", 200, 0.1)
    measures.records.labels("events", "accepted").inc()
    measures.follow("shop", lambda: 1.0, lambda: 2.0, lambda _: 0.0)
    return measures.text().decode()


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def targets() -> Iterator[tuple[str, str, str]]:
    """Of all dashboards: title, query, legend."""
    for dashboard in DASHBOARDS:
        for panel in json.loads(dashboard.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{dashboard.stem}: {panel['title']}", target["expr"], target["legendFormat"]


QUERIES = {rule["alert"]: rule["expr"] for rule in alerts()} | {
    f"{title} {number}": query for number, (title, query, _) in enumerate(targets())
}


def parsed(query: str) -> Any:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return promql_parser.parse(query)


def selectors(node: Any) -> Iterator[Any]:
    """Every `name{label=...}` in a query."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vs", "param", "vector_selector"):
        below = getattr(node, name, None)
        if below is not None and not isinstance(below, str):
            yield from selectors(below)
    for below in getattr(node, "args", None) or ():
        yield from selectors(below)


def grouped_by(query: str) -> set[str]:
    return {label.strip() for found in re.findall(r"\bby \(([^)]*)\)", query) for label in found.split(",")}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_every_query_is_promql_over_series_and_labels_that_exist(query: str) -> None:
    found, known = list(selectors(parsed(query))), labels_of_series()
    assert found
    names = {selector.name for selector in found}
    assert names >= set(re.findall(rf"\b{PREFIX}\w+", query)), "not every series was looked at"
    assert names <= known.keys()
    for selector in found:
        assert {matcher.name for matcher in selector.matchers.matchers} <= known[
            selector.name
        ] | OF_THE_SCRAPE
    assert grouped_by(query) <= set().union(*(known[name] for name in names)) | OF_THE_SCRAPE


def test_a_series_that_does_not_exist_would_be_found() -> None:
    (wrong,) = selectors(parsed("sum by (le) (rate(stream_rec_no_such_total[$__rate_interval]))"))
    assert wrong.name not in labels_of_series()


def test_legends_show_labels_that_the_query_keeps() -> None:
    for title, query, legend in targets():
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert shown <= grouped_by(query) | OF_THE_SCRAPE, title


def test_alerts_cover_what_the_operations_page_says_to_watch() -> None:
    asked = " ".join(rule["expr"] for rule in alerts())
    for name in (
        "partition_lag",
        "freshness_seconds",
        "dead_letters",
        "misrouted",
        "alarm_since",
        "evicted_users",
        "http_requests",
        "http_records",
        "live_records_behind",
        "experiment_since",
        "experiment_reading",
        "experiment_obstacle",
        "exposure_diversity",
    ):
        assert f"{PREFIX}{name}" in asked
    for rule in alerts():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"].keys() == {"summary", "action"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        for page in re.findall(r"docs/\w+\.md", rule["annotations"]["action"]):
            assert (ROOT / page).is_file()
    assert len({rule["alert"] for rule in alerts()}) == len(alerts())


def test_alerts_name_settings_that_exist() -> None:
    known = {row.key for row in list_settings(Settings(), {})}
    actions = " ".join(rule["annotations"]["action"] for rule in alerts())
    named = set(re.findall(rf"(?<!docs/)\b((?:{'|'.join(BRANCHES)})\.[a-z_]+)", actions))
    assert named <= known


def test_prometheus_scrapes_the_workers_port_and_reads_the_rules() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert all((PROMETHEUS / name).is_file() for name in config["rule_files"])
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert all(job["metrics_path"] == "/metrics" for job in jobs.values())
    targets = {name: job["static_configs"][0]["targets"] for name, job in jobs.items()}
    (port,) = [port["containerPort"] for port in container()["ports"]]
    assert targets == {
        "stream-rec": [f"127.0.0.1:{port}"],
        "stream-rec-serve": [f"127.0.0.1:{Settings().serve.port}"],
    }


@pytest.mark.parametrize("part", ["serve", "bridge"])
@pytest.mark.parametrize("name", ["stream-rec", "shop/stream-rec"])
def test_who_counts_workers_does_not_count_http_servers_and_bridges(name: str, part: str) -> None:
    """The operator's jobs have the namespace in front."""
    asked = [each for query in QUERIES.values() for each in selectors(parsed(query)) if each.name == "up"]
    assert len(asked) == 2
    for each in asked:
        (wanted, unwanted) = each.matchers.matchers
        assert re.fullmatch(wanted.value, name)
        assert (wanted.name, unwanted.name, str(unwanted.op)) == (
            "job",
            "job",
            str(promql_parser.MatchOp.NotRe),
        )
        assert re.fullmatch(unwanted.value, f"{name}-{part}")
        assert not re.fullmatch(unwanted.value, name)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_whole_and_its_panels_do_not_lie_over_each_other(file: Path) -> None:
    dashboard = json.loads(file.read_text())
    places = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in dashboard["panels"])
    ]
    assert sum(map(len, places)) == len(set().union(*places))
    assert max(x for place in places for x, _ in place) < 24
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(panel["targets"] for panel in dashboard["panels"] if panel["type"] != "row")
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard["panels"]))) - {"__rate_interval"}
    assert used == {variable["name"] for variable in dashboard["templating"]["list"]}


def test_dashboards_show_every_figure_of_experiments_exposure_and_alarms() -> None:
    assert len({json.loads(file.read_text())["uid"] for file in DASHBOARDS}) == len(DASHBOARDS) == 2
    asked = " ".join(query for _, query, _ in targets())
    for metric in EXPERIMENTS + EXPOSURE + ALARMS:
        assert not metric.prometheus or f"{PREFIX}{metric.prometheus}" in asked, metric.name
