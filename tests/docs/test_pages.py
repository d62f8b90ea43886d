"""What the pages name exists: commands, settings, metrics, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream_rec.api.measures import NAMES as HTTP_METRICS
from stream_rec.settings import Settings
from stream_rec.settings.table import list_settings
from stream_rec.telemetry.metric_table import METRICS
from tests.cli.test_command_line import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
BRANCHES = tuple(Settings.model_fields)


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_commands_exist(page: Path) -> None:
    named = re.findall(r"`(?:\w+=\S+ )*stream-rec ([a-z-]+)", page.read_text())
    assert set(named) <= COMMANDS


def test_settings_exist(page: Path) -> None:
    known = {row.key for row in list_settings(Settings(), {})}
    named = set(re.findall(rf"`((?:{'|'.join(BRANCHES)})\.[a-z_]+)`", page.read_text()))
    files = {name for name in named if name.endswith((".py", ".md"))}
    parents = {key.rpartition(".")[0] for key in known} | {"engine.scenarios", "engine.event_types"}
    assert named - files <= known | parents


def test_metrics_exist(page: Path) -> None:
    shown = " ".join(metric.on_prometheus() for metric in METRICS if metric.prometheus)
    series = set(re.findall(r"`(\w+)`", shown))
    series |= {name.removesuffix(suffix) for name in series for suffix in ("_sum", "_bucket")}
    named = set(re.findall(r"`(stream_rec_[a-z_]+)`", page.read_text()))
    assert named <= series | set(HTTP_METRICS)


def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
