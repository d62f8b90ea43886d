"""docs/rules.md: every scenario of the cookbook is valid, compiles, and does what its heading says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_check import scenario_of
from tests.engine.worlds import change, click, decide, engine

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def scenarios() -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    for block in BLOCKS:
        for name, body in tomllib.loads(block).items():
            for promotion in body.get("promotions", []):
                promotion["until"] = promotion["until"].timestamp()
            found[name] = scenario_of(body)
    return found


def test_there_is_one_for_each_place() -> None:
    assert set(scenarios()) == {"home", "product", "cart", "shoes", "news", "email"}


@pytest.mark.parametrize("name", scenarios())
def test_it_is_valid_and_makes_slates(name: str) -> None:
    scenario = scenarios()[name]
    e = engine(history_length=16, catalogue="off")
    items: list[Any] = [
        Item(
            f"i{n}",
            price=float(5 + n),
            owner=f"o{n % 7}" if n % 5 else "acme",
            tags=("shoes",) if n % 2 else ("hats",),
            attributes={"section": f"s{n % 4}"},
        )
        for n in range(50)
    ]
    click(e, *[(f"u{n % 5}", f"i{n % 25}", 10.0 * n) for n in range(200)])
    click(e, ("u1", "i1", 2000.0), event_type="cart")
    change(e, *items, Item("shoe-of-the-week", price=1.0, tags=("shoes",)), Item("gift-card", price=9.0))
    decide(e, {name: scenario})
    e.compile_rules()
    (slate,) = e.recommend(["u1"], scenario=name).items
    assert 0 < len(slate) <= scenario.k
    assert "gift-card" not in slate or name != "cart"
    if name == "shoes":
        assert slate[0] == "shoe-of-the-week"
        assert {n for n in slate[1:] if int(n[1:]) % 2 == 0} == set()
