"""The steps are commands that there are, with options that they have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from stream_rec.cli.app import app
from stream_rec.errors import ConfigError
from stream_rec.pipelines.steps import LIVE, Plan, Step, steps_of
from stream_rec.producers.experiments.file import read_file
from stream_rec.sources.features import SPACES

PLAN = Plan("als-64", "http://mlflow:5000", ("--rank=64", "--explicit"), "als-two")


def parsed(arguments: tuple[str, ...]) -> dict[str, Any]:
    """What our command line makes of them, without running anything."""
    command: Any = get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    found: dict[str, Any] = command.make_context("stream-rec", rest).params
    return found


@pytest.mark.parametrize("step", steps_of(PLAN), ids=lambda step: step.name)
def test_every_step_is_a_command_with_options_that_it_has(step: Step) -> None:
    found = parsed(step.arguments)
    if step.name == "train":
        assert (found["space"], found["mlflow"]) == ("als-64", "http://mlflow:5000")
        assert (found["rank"], found["explicit"]) == (64, True)
        assert found["publish"] and not found["log"]


def test_the_shadow_s_arm_hears_vector_spaces(tmp_path: Path) -> None:
    (step,) = [each for each in steps_of(PLAN) if each.name == "shadow"]
    file = tmp_path / "shadow.toml"
    file.write_text(step.text)
    ((name, found),) = read_file(file).items()
    assert (name, found.kind, found.state) == ("als-two", "shadow", "draft")
    assert [arm.name for arm in found.arms] == [LIVE, "als-64"]
    assert SPACES in found.arms[1].sources


def test_printed_steps_are_a_script_that_gives_each_command_what_it_reads(tmp_path: Path) -> None:
    printed = CliRunner().invoke(
        app, ["pipeline", "steps", "--mlflow", "sqlite:///a b.db", "--train=--rank=8"]
    )
    ours = tmp_path / "stream-rec"
    ours.write_text(
        '#!/bin/sh\nprintf "<%s>" "$@"; [ "$1" != experiment ] || [ "$2" != apply ] || cat\necho\n'
    )
    ours.chmod(0o755)
    ran = subprocess.run(
        ["sh", "-e"],
        input=printed.output,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(
        "<sink><check>\n<batch><train><--space><als><--mlflow><sqlite:///a b.db><--rank=8>\n"
        "<experiment><apply></dev/stdin><--start>[als]\n"
    )
    assert ran.stdout.endswith("<experiment><show><als>\n")


def test_without_kubeflow_s_package_the_command_says_which_extra_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kfp", None)
    with pytest.raises(ConfigError, match="kfp is missing") as refused:
        CliRunner().invoke(
            app, ["pipeline", "compile", f"{tmp_path}/p.yaml", "--image", "i"], catch_exceptions=False
        )
    assert refused.value.fix == "pip install 'stream-rec[kubeflow]'"
