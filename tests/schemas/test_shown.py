"""What a reader says it has shown."""

from __future__ import annotations

from stream_rec.schemas.records import Reason, SlateItem
from stream_rec.schemas.shown import ShownSlate


def place(item: str, propensity: float | None = None) -> SlateItem:
    return SlateItem(item, 1.0, Reason("x"), propensity=propensity)


def test_an_impression_says_the_chances_of_all_items_and_a_pin_of_an_exploring_slate_had_one_of_1() -> None:
    explored = ShownSlate((place("pin"), place("b", 0.25)), "s").impression("ann", 1.0)
    assert (explored.items, explored.propensities) == (("pin", "b"), (1.0, 0.25))
    assert ShownSlate((place("a"), place("b")), "s").impression("ann", 1.0).propensities is None
