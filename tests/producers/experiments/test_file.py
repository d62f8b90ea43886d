"""Experiment files: mistakes with their line and column, and what is read is what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.producers.experiments.file import as_toml, changes, read_file
from stream_rec.schemas.experiment import Arm, Experiment, Guardrail

FILE = """
[trending-home]
scenarios = ["home"]
traffic = 0.5
audience = {user = ["returning"], country = ["de", "at"]}

[[trending-home.arms]]
name = "control"

[[trending-home.arms]]
name = "trending"
scenario = {logic = "trending", boosts = [{when = "price < 5.0", factor = 2.0}]}

[[trending-home.guardrails]]
metric = "bounce"
tolerated = 0.02
"""


def written(text: str, folder: Path) -> Path:
    file = folder / "trials.toml"
    file.write_text(text)
    return file


def mistake(text: str, folder: Path) -> str:
    with pytest.raises(ConfigError) as error:
        read_file(written(text, folder))
    return error.value.message


def test_a_file_is_read_and_written_alike(tmp_path: Path) -> None:
    found = read_file(written(FILE, tmp_path))
    (experiment,) = found.values()
    assert experiment.guardrails == (Guardrail("bounce", 0.02),)
    assert experiment.arms[1].scenario["boosts"] == [{"when": "price < 5.0", "factor": 2.0}]
    assert read_file(written(as_toml("trending-home", experiment), tmp_path)) == found


def test_a_mistake_is_named_with_line_column_and_what_was_meant(tmp_path: Path) -> None:
    said = mistake(FILE.replace("traffic = 0.5", "trafic = 0.5"), tmp_path)
    assert (
        ":4:1: experiment trending-home: trafic: no field is called 'trafic' (did you mean 'traffic'?)"
        in said
    )
    said = mistake(FILE.replace('"trending", boosts', '"trendy", boosts'), tmp_path)
    assert ":12:21: experiment trending-home: arms[1].scenario.logic: no logic is called 'trendy'" in said
    said = mistake(FILE.replace("tolerated = 0.02", "tolerated = 2"), tmp_path)
    assert ":16:13: experiment trending-home: guardrails[0].tolerated: it is 2.0 (from 0 to 0.99)" in said
    said = mistake(
        FILE.replace(
            'scenario = {logic = "trending"', 'sources = ["neighbors"]\nscenario = {logic = "trending"'
        ),
        tmp_path,
    )
    assert ":12:12: experiment trending-home: arms[1].sources[0]: no source is called 'neighbors'" in said
    assert "it is not for people to write" in mistake(
        FILE.replace("traffic = 0.5", 'state = "running"'), tmp_path
    )


def test_changes_are_a_line_for_each_field() -> None:
    before = Experiment((Arm("control"), Arm("blue", learning_rate=2.0)))
    after = Experiment(before.arms, traffic=0.5)
    assert list(changes(before, after)) == ["traffic: 1.0 -> 0.5"]
    assert list(changes(before, before)) == []
    assert next(changes(None, after)) == "it is new"
