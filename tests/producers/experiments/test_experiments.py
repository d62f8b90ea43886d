"""Experiments on a real log: from draft to the end, in layers that have room."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from stream_rec.bus.topics import ensure_topics
from stream_rec.cli.app import app
from stream_rec.errors import ConfigError
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.settings import Settings
from tests.cli.running import addresses

TWO = (Arm("control"), Arm("blue", learning_rate=2.0))


def experiment(**fields: Any) -> Experiment:
    return Experiment(TWO, layer="ranking", **fields)


def test_an_experiment_lives_and_its_layer_is_shared(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    found = Experiments(tansu_settings)
    assert not found.all()
    found.apply(
        {"one": experiment(traffic=0.6), "two": experiment(traffic=0.4), "three": experiment(traffic=0.4)}
    )
    now, _ = Experiments(tansu_settings).move("one", "ramp", note="at last")
    assert (now.state, now.share) == ("ramping", 0.01)
    two, _ = Experiments(tansu_settings).move("two", "start")
    assert (two.state, two.slot) == ("running", 0.6)
    with pytest.raises(ConfigError, match=r"no room for 40% of its users beside one"):
        Experiments(tansu_settings).move("three", "start")
    Experiments(tansu_settings).move("one", "stop")
    three, _ = Experiments(tansu_settings).move("three", "start")
    assert three.slot == 0.0
    known = Experiments(tansu_settings).one("one")
    assert (known.experiment.state, known.experiment.share) == ("rolled_back", 0)
    with pytest.raises(ConfigError, match="is rolled back: it cannot be started"):
        Experiments(tansu_settings).move("one", "start")
    with pytest.raises(ConfigError, match="no experiment is called 'tow'"):
        Experiments(tansu_settings).one("tow")
    grown = {"two": experiment(traffic=0.5)}
    with pytest.raises(ConfigError, match=r"no room for 50%"):
        Experiments(tansu_settings).apply(grown | {"two": msgspec.structs.replace(grown["two"], slot=0.0)})


def test_an_experiment_for_whose_arms_no_ranker_is_left_is_refused(tansu_settings: Settings) -> None:
    """They would be ranked as the control is, and the experiment would find that they are alike."""
    ensure_topics(tansu_settings.bus)
    four = (Arm("control"), *(Arm(f"a{n}", learning_rate=2.0 + n) for n in range(4)))
    wanted = {name: Experiment(four, layer=name) for name in ("one", "two", "three")}
    Experiments(tansu_settings).apply(wanted)
    for name in ("one", "two"):
        Experiments(tansu_settings).move(name, "start")
    with pytest.raises(ConfigError, match="8 at most, and one, two have too many") as refused:
        Experiments(tansu_settings).move("three", "start")
    assert "stop one of these" in str(refused.value)
    with pytest.raises(ConfigError, match="experiment four has 1 arms"):
        Experiments(tansu_settings).apply({"four": Experiment(TWO)})
    Experiments(tansu_settings).apply({"rules": Experiment((Arm("control"), Arm("new", scenario={"k": 5})))})
    Experiments(tansu_settings).move("one", "stop")
    assert Experiments(tansu_settings).move("three", "start")[0].state == "running"


def test_the_commands_do_the_same(tansu_settings: Settings, tmp_path: Path) -> None:
    ensure_topics(tansu_settings.bus)
    environment = addresses(tansu_settings)
    file = tmp_path / "trials.toml"
    file.write_text('[e]\narms = [{name = "control"}, {name = "blue", scenario = {logic = "trending"}}]\n')

    def said(*words: str) -> str:
        shown = CliRunner().invoke(app, ["experiment", *words], env=environment, catch_exceptions=False)
        assert shown.exit_code == 0, shown.output
        return shown.stdout

    assert "e: draft as of control offset 0" in said("apply", str(file))
    assert said("start", "e").startswith("e: running, 100% of its layer's users, as of control offset 1")
    assert said("apply", str(file)) == "e: unchanged\n"
    assert "shipped" in said("ship", "e", "blue", "--note", "it sells")
    shown = json.loads(said("show", "e", "--json"))
    assert (shown["experiment"]["state"], shown["experiment"]["winner"], shown["note"]) == (
        "shipped",
        "blue",
        "it sells",
    )
    assert [each["experiment"].get("state") for each in shown["history"]] == [None, "running", "shipped"]
    file.write_text(file.read_text().replace("[e]", "[f]"))
    assert "f: running, 100% of its layer's users" in said("apply", str(file), "--start")
    assert said("apply", str(file), "--start") == "f: unchanged\n"
    words = said("show", "e")
    assert tomllib.loads(words)["e"]["winner"] == "blue"
    assert re.search(
        r"# no worker tells what was counted\n#\n# .* draft, 0% .*\n# .*\n# .*shipped blue, 0%", words
    )


def test_a_scenario_that_there_is_not_is_told(tansu_settings: Settings, tmp_path: Path) -> None:
    """It may come later; but a typo would leave the experiment without users, and nobody would know why."""
    ensure_topics(tansu_settings.bus)
    file = tmp_path / "trials.toml"
    file.write_text(
        '[e]\nscenarios = ["defalt"]\narms = [{name = "control"}, {name = "blue", scenario = {k = 5}}]\n'
    )

    def told(*words: str) -> str:
        shown = CliRunner().invoke(app, ["experiment", *words], env=addresses(tansu_settings))
        assert shown.exit_code == 0, shown.output
        return " ".join(shown.stderr.split())

    expected = (
        "no scenario is called 'defalt' (did you mean 'default'?): e has no users there until there is one"
    )
    assert expected in told("apply", str(file))
    assert expected in told("start", "e")
    file.write_text(file.read_text().replace("defalt", "default").replace("[e]", "[f]"))
    assert not told("apply", str(file))
    assert not told("stop", "e")
