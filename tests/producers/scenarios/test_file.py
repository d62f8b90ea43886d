"""Scenario files: mistakes with their line and column, and what is read is what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.producers.scenarios.file import as_toml, changes, read_file, read_text
from stream_rec.schemas.scenario import Boost, Promotion, Scenario

FILE = """# the shop
[home]
k = 12
filter = "price < 100.0"
leave_out_seen = ["purchase"]  # bought
until = 2027-01-06T00:00:00Z
boosts = [ {when = "price < 5.0", factor = 2.0}, {when = "price > 9.0", factor = 3} ]

[[mail.promotions]]
items = ["a", "b"]
share = 0.5

[[mail.promotions]]
items = ["c"]
share = 0.2
[mail.diversity]
lambda = 0.2
"""


def mistake(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        read_text(text, "f.toml")
    return error.value.message


def test_a_file_is_read() -> None:
    found = read_text(FILE, "f.toml")
    assert found["home"].boosts == (Boost("price < 5.0", 2.0), Boost("price > 9.0", 3.0))
    assert found["home"].valid_until == 1_799_193_600.0
    assert found["mail"].promotions == (Promotion(("a", "b"), share=0.5), Promotion(("c",), share=0.2))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("k = 12", "k = 0", "f.toml:3:5: scenario home: k: it is 0 (from 1 to 200)"),
        (
            "filter =",
            "fitler =",
            "f.toml:4:1: scenario home: fitler: no field is called 'fitler' (did you mean",
        ),
        (
            "factor = 3}",
            "factr = 3}",
            "f.toml:7:73: scenario home: boosts[1].factr: no field is called 'factr'",
        ),
        ("price < 100.0", "price <", "f.toml:4:"),
        ("share = 0.2", "share = 2", "f.toml:15:9: scenario mail: promotions[1].share: 2.0 is no share"),
        ("lambda = 0.2", "lambda = 2", "f.toml:17:10: scenario mail: diversity.lambda: it is 2.0"),
        ("[home]", "[home", "f.toml:2:6: expected ']' at the end of a table declaration"),
        ("[home]", '["ho me"]', "f.toml:2:1: scenario ho me: 'ho me' cannot name a scenario"),
        ("# the shop", "k = 3", "f.toml:1:1: scenario k: 'k' stands outside of a scenario's table"),
    ],
)
def test_a_mistake_has_its_line_and_column(right: str, wrong: str, said: str) -> None:
    assert said in mistake(FILE.replace(right, wrong, 1))


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    said = mistake(FILE.replace("k = 12", "k = 0").replace("lambda = 0.2", "lambda = 2"))
    assert (said.count("f.toml:"), "f.toml:3:5" in said, "f.toml:17:10" in said) == (2, True, True)


def test_what_is_written_is_read_the_same() -> None:
    for name, scenario in read_text(FILE, "f.toml").items():
        assert read_text(as_toml(name, scenario), "f.toml") == {name: scenario}


def test_an_empty_file_and_none_are_refused(tmp_path: Path) -> None:
    assert "holds no scenario" in mistake("")
    with pytest.raises(ConfigError, match="cannot read"):
        read_file(tmp_path / "none.toml")


def test_changes_name_fields_that_differ_from_what_was_or_from_the_default() -> None:
    before, after = Scenario(k=3), Scenario(strict=True)
    assert list(changes(before, after)) == ["k: 3 -> 20", "strict: false -> true"]
    assert list(changes(before, before)) == []
    assert list(changes(None, Scenario())) == ["it is new"]
    assert list(changes(before, None)) == ["it is taken back"]
