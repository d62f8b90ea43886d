"""`scenario diff` and `apply` say which rules ask for what no item has, and apply them all the same."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import redis
from typer.testing import CliRunner

from stream_rec.bus.topics import ensure_topics
from stream_rec.cli.app import app
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.settings import Settings
from stream_rec.store.keys import Keys
from tests.cli.running import addresses

SAID = "warning: home: filter: no item of the catalogue has 'in_stock'"


def test_a_rule_that_asks_in_vain_is_told_before_and_when_it_is_applied(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    ensure_topics(tansu_settings.bus)
    file = tmp_path / "rules.toml"
    file.write_text('[home]\nfilter = "in_stock == true"\n')

    def run(*words: str) -> tuple[int, str, str]:
        shown = CliRunner().invoke(
            app, ["scenario", *words], env=addresses(tansu_settings), catch_exceptions=False
        )
        return shown.exit_code, shown.stdout, " ".join(shown.stderr.split())

    assert SAID not in run("diff", str(file))[2]  # no worker has said what items have
    with redis.Redis.from_url(tansu_settings.store.url) as client:
        key = Keys(tansu_settings.store.prefix).catalogue
        client.set(key, msgspec.json.encode(KnownNames(3, ("in_shop", "price"))))
    code, _, said = run("diff", str(file))
    assert (code, SAID in said) == (1, True)
    code, shown, _ = run("apply", str(file), "--json")
    assert (code, json.loads(shown)["applied"]) == (0, {"home": 0})
    assert "'in_stock'" in json.loads(shown)["warnings"]["home"][0]
    file.write_text('[home]\nfilter = "in_stock == false"\n')
    code, shown, said = run("apply", str(file))
    assert (code, SAID in said) == (0, True)
    assert "in force as of control offset 1" in shown
    assert SAID in run("diff", str(file))[2]  # also of what is in force already
    code, shown, said = run("apply", str(file))
    assert (code, shown, SAID in said) == (0, "home: unchanged\n", True)
