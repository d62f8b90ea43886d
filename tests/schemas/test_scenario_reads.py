"""What rules ask for that no item has."""

from __future__ import annotations

import pytest

from stream_rec.schemas.scenario import Boost, Cap, Floor, Promotion, Scenario
from stream_rec.schemas.scenario_reads import nobody_has

KNOWN = ("colour", "owner", "price", "tags")


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (Scenario(filter="price < 3.0 && 'new' in tags && age < 60.0 && id != 'x'"), []),
        (Scenario(filter="in_stock == true"), ["filter: no item of the catalogue has 'in_stock'"]),
        (Scenario(filter="color == 'red'"), ["(did you mean 'colour'?)"]),
        (
            Scenario(filter="brand == 'acme' || 'shoes' in category"),
            ["did you mean 'owner'?", "did you mean 'tags'?"],
        ),
        (
            Scenario(boosts=(Boost("title == 'a'", 2.0),)),
            ["boosts[0].when: no item of the catalogue has 'title'"],
        ),
        (
            Scenario(caps=(Cap("tags", 1), Cap("brand", 1))),
            ["caps[1].attribute: no item of the catalogue has 'brand'"],
        ),
        (
            Scenario(promotions=(Promotion(when="b", share=0.1),)),
            ["promotions[0].when: no item of the catalogue has 'b'"],
        ),
        (
            Scenario(floors=(Floor(when="a == b"),)),
            ["floors[0].when: no item of the catalogue has 'a'", "has 'b'"],
        ),
        (Scenario(logic="leaderboard", order_by="rank"), ["order_by: no item of the catalogue has 'rank'"]),
        (Scenario(filter="hidden != true"), ["hidden items are never shown: no rule needs to ask"]),
    ],
)
def test_each_rule_that_asks_for_what_no_item_has_is_named(scenario: Scenario, said: list[str]) -> None:
    found = list(nobody_has(scenario, KNOWN))
    assert len(found) == len(said)
    for sentence, part in zip(found, said, strict=True):
        assert part in sentence


def test_a_guarded_name_is_said_too_and_costs_nothing() -> None:
    """`!has(...)` may be meant: it is a warning, and nothing is refused."""
    (said,) = nobody_has(Scenario(filter="colour == 'red' || brand == 'acme'"), KNOWN)
    assert "where it asks for it" in said
