"""What is counted of items that came lately is read by their exposure, where a vector space is in use."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.schemas.records import Item
from stream_rec.sources.exposure import LEAST_EXPOSURE
from stream_rec.sources.features import number_of
from stream_rec.sources.item_neighbours import RATES
from stream_rec.sources.transitions import HALF_LIFE
from tests.engine.worlds import change, click, engine

DAY = 86_400.0
USERS = 20
OTHERS = 40
"""More than a query reads of a row."""


def lift(age: float) -> float:
    return (1 + LEAST_EXPOSURE) / (1.0 - 2.0 ** (-age / HALF_LIFE) + LEAST_EXPOSURE)


def feature(e: Engine, name: str) -> dict[str, float]:
    """Of the candidates of the last slate, by item."""
    query = e.held.query
    n = int(query.n_candidates[0])
    column = query.features[number_of(name), :n].tolist()
    names = [name_of(e.state.items, code & ROW_MASK) for code in query.codes[:n].tolist()]
    return dict(zip(names, column, strict=True))


def shop(*sources: str) -> Engine:
    """A hub that many have, and what they had after it; a day ago an item came that one user had after it."""
    e = engine(sources=sources, history_length=64)
    old = ["hub", *(f"i{n}" for n in range(OTHERS))]
    change(e, *(Item(name, "Lamp") for name in old))
    for user in range(USERS):
        click(e, *[(f"u{user}", name, 100 * DAY + n) for n, name in enumerate(old)])
    click(e, ("w", "i1", 101 * DAY))
    change(e, Item("new", "Lamp"))
    click(e, ("v", "hub", 101 * DAY), ("v", "new", 101 * DAY), ("ann", "hub", 102 * DAY))
    e.recommend(["ann"])
    return e


def test_one_transition_to_what_came_yesterday_is_as_many_as_its_exposure_says() -> None:
    found = feature(shop("transitions", "vectors"), "next")
    decayed = USERS * 2.0 ** (-DAY / HALF_LIFE)
    assert found["i0"] == pytest.approx(1.0)
    assert found["new"] == pytest.approx(np.sqrt(lift(DAY) / decayed), abs=1e-3)
    without = feature(shop("transitions"), "next")
    assert without["new"] == pytest.approx(np.sqrt(1 / decayed), abs=1e-3)


def test_what_rows_of_old_items_have_no_room_for_is_read_from_the_new_ones_own() -> None:
    found = feature(shop("item_neighbours", "vectors"), "cosine")
    hub = USERS + 2
    most = USERS / (np.sqrt(hub * USERS) + RATES.shrink)
    own = np.sqrt(lift(DAY)) / (np.sqrt(hub) + RATES.shrink)
    assert found["new"] == pytest.approx(np.sqrt(own / most), abs=1e-3)
    assert "new" not in feature(shop("item_neighbours"), "cosine")
