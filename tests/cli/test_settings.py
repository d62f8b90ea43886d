"""`stream-rec settings` shows the whole tree, where each value came from, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.running import run


def rows(*arguments: str, **environment: str) -> dict[str, dict[str, str]]:
    shown = run("settings", "--json", *arguments, environment=environment)
    assert shown.returncode == 0, shown.stderr
    return {row["key"]: row for row in json.loads(shown.stdout)}


def test_every_setting_is_listed_with_its_meaning() -> None:
    listed = rows()
    assert {"bus.bootstrap", "store.url", "engine.scenarios.default.k", "measure.k"} <= listed.keys()
    assert all(row["meaning"] for row in listed.values())
    assert {row["origin"] for row in listed.values()} == {"default"}


def test_each_value_says_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[bus]\ngroup = "shop"\npartitions = 8\n')
    listed = rows(
        "--config", str(file), "--set", "measure.k=5", STREAM_REC__STORE__PREFIX="shop:", STREAM_REC_DATA="/d"
    )
    assert listed["bus.group"]["value"] == "shop"
    assert listed["bus.group"]["origin"] == str(file)
    assert listed["store.prefix"]["origin"] == "environment STREAM_REC__STORE__PREFIX"
    assert listed["data.folder"]["origin"] == "environment STREAM_REC_DATA"
    assert listed["measure.k"]["value"] == 5
    assert listed["measure.k"]["origin"] == "--set measure.k"


def test_a_flag_beats_the_environment_and_the_environment_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[bus]\ngroup = "file"\nprefix = "file"\n')
    listed = rows(
        "-c",
        str(file),
        "-s",
        "bus.group=flag",
        STREAM_REC__BUS__GROUP="environment",
        STREAM_REC__BUS__PREFIX="environment",
    )
    assert listed["bus.group"]["value"] == "flag"
    assert listed["bus.prefix"]["value"] == "environment"


def test_passwords_are_masked_and_what_is_no_secret_is_not() -> None:
    listed = rows(
        "--set",
        "store.url=rediss://app:hunter2@redis.example:6380/0?password=hunter2",
        "--set",
        'bus.security={"sasl.username"="app", "sasl.password"="hunter2", "ssl.key.password"="hunter2"}',
        "--set",
        "snapshot.url=sftp://app:hunter2@files.example/snapshots",
        "--set",
        'snapshot.options={"secret"="hunter2"}',
    )
    assert "hunter2" not in json.dumps(listed)
    assert listed["store.url"]["value"].startswith("rediss://app:********@redis.example:6380/0")
    assert json.loads(json.dumps(listed["bus.security"]["value"]))["sasl.username"] == "app"


def test_the_table_for_people_has_whole_lines_in_a_pipe() -> None:
    table = run("settings", "--set", "bus.group=shop").stdout
    line = next(line for line in table.splitlines() if line.startswith("bus.group"))
    assert line.split()[1:4] == ["shop", "--set", "bus.group"]
    assert line.rstrip().endswith("consumer group of the workers")


def test_an_unknown_key_is_an_error_that_names_it_and_its_source() -> None:
    refused = run("settings", "--set", "bus.bootstap=x:1")
    assert refused.returncode == 2
    assert "bus.bootstap (from --set bus.bootstap)" in refused.stderr
    assert "fix:" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_only_what_is_not_at_its_default_is_shown_if_that_is_asked_for() -> None:
    listed = rows("--changed", "--set", "bus.group=shop", STREAM_REC__MEASURE__K="5")
    assert {key: row["value"] for key, row in listed.items()} == {"bus.group": "shop", "measure.k": 5}
    assert "every setting is at its default" in run("settings", "--changed").stderr
