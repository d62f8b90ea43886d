"""`scenario preview` and `recommend --explain`: from the log alone, with nobody serving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Control, Item
from stream_rec.settings import Settings
from tests.cli.running import addresses, run
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.serving import SMALL_ENVIRONMENT

HOME = """
[home]
k = 5
filter = "price == null || price < 1000.0"

[[home.hides]]
items = ["{best}"]
"""


@pytest.fixture
def environment(tansu_settings: Settings) -> dict[str, str]:
    ensure_topics(tansu_settings.bus)
    publish_events(tansu_settings.bus, clicks(500))
    with Publisher(tansu_settings.bus, tansu_settings.ingest) as publisher:
        publisher.publish_all([Item(f"i{n}", price=float(n)) for n in range(20)])
        publisher.publish(Control("scenario", "home", 1.0, {"k": 5}))
    return {
        **addresses(tansu_settings),
        **SMALL_ENVIRONMENT,
        "STREAM_REC__ENGINE__CATALOGUE": "off",
    }


def asked(*arguments: str, environment: dict[str, str]) -> Any:
    shown = run(*arguments, "--json", environment=environment, deadline_seconds=280)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_a_preview_shows_both_slates_and_why(environment: dict[str, str], tmp_path: Path) -> None:
    told = asked("recommend", "u7", "--explain", "--scenario", "home", environment=environment)
    best = told["slate"][0]
    assert told["candidates"] > 0
    assert {each["item_id"] for each in told["items"]} == set(told["slate"])
    file = tmp_path / "home.toml"
    file.write_text(HOME.format(best=best))
    found = asked("scenario", "preview", "u7", "--file", str(file), environment=environment)
    (home,) = found["scenarios"]
    assert home["before"] == told["slate"]
    assert best not in home["after"]
    assert [effect["rule"] for effect in home["effects"]] == ["filter", "hides[0]"]
    assert {"item_id": best, "was": 1, "now": None} in home["effects"][1]["moved"]
    shown = run("scenario", "preview", "u7", "-f", str(file), environment=environment, deadline_seconds=280)
    assert f"takes out {best} (was 1)" in " ".join(shown.stdout.split())
    (hidden,) = asked("recommend", "u7", "--item", "nowhere", environment=environment)["items"]
    assert hidden["absent"].startswith("it is not known")


def test_a_preview_of_a_file_needs_no_servers(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rows = "".join(f"u{n % 5},i{n % 9},{1_700_000_000 + n}\n" for n in range(200))
    log.write_text("user_id,item_id,ts\n" + rows)
    file = tmp_path / "home.toml"
    file.write_text(HOME.format(best="i1"))
    bounds = {"STREAM_REC__ENGINE__MAX_USERS": "64", "STREAM_REC__ENGINE__MAX_ITEMS": "64"}
    found = asked("scenario", "preview", "u1", "-f", str(file), "--replay", str(log), environment=bounds)
    (home,) = found["scenarios"]
    assert home["before"] is None
    assert len(home["after"]) == 5
    assert "i1" not in home["after"]
