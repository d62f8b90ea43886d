"""How what was shown is spread, from what an engine has learned: by hand, and after a restart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_rec.engine.catalogue import exposure
from stream_rec.engine.catalogue.exposure import figures, pieces
from stream_rec.engine.engine import Engine
from stream_rec.kernels.attribution import fingerprint
from stream_rec.schemas.records import Item
from stream_rec.trials.assignment import mixed
from tests.engine.deciding import decide, erasure
from tests.engine.test_trial_outcomes import ENGINE, MEASURE, Log, T
from tests.engine.worlds import change

CATALOGUE = [
    Item("a", tags=("red", "big"), owner="acme"),
    Item("b", tags=("red",), owner="acme"),
    Item("c", tags=("blue",), owner="a,b=c"),
    Item("d", owner=None),
]


@pytest.fixture
def shop() -> Engine:
    e = Engine(ENGINE, MEASURE)
    change(e, *CATALOGUE)
    return e


def told(e: Engine, metric: str, **labels: str) -> Any:
    found = {at: value for at, value in figures(e).items() if at[0] == metric}
    return found[(metric, tuple(labels.items()))] if labels else found


def test_nothing_is_told_before_anything_was_shown(shop: Engine) -> None:
    assert figures(shop) == {}


def test_shares_are_of_the_places_shown(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "aab", 0.0)
    log.show("bob", "cz", 1.0)
    assert told(shop, "exposure", by="item", figure="places") == 4.0
    assert told(shop, "exposure", by="item", figure="coverage") == 0.75
    assert told(shop, "exposure", by="item", figure="top_tenth") == 0.5
    assert told(shop, "exposure", by="item", figure="gini") == pytest.approx(0.375)
    assert told(shop, "exposure_share", by="owner", name="acme") == 0.75
    assert told(shop, "exposure_share", by="owner", name="a_b_c") == 0.25
    assert told(shop, "exposure_share", by="tag", name="red") == 0.5
    assert told(shop, "exposure_share", by="tag", name="big") == 0.25
    assert told(shop, "exposure", by="owner", figure="gini") == pytest.approx(0.25)


def test_users_whose_slates_narrow_are_seen(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "bc", 0.0)
    assert told(shop, "exposure_diversity", of="all") == 0.5
    assert len(told(shop, "exposure_diversity")) == 1
    log.show("ann", "b", 1.0)
    assert told(shop, "exposure_diversity", of="earlier") == 0.5
    assert told(shop, "exposure_diversity", of="later") == 0.0
    assert told(shop, "exposure_diversity", of="all") == pytest.approx(1 - 5 / 9)


def test_what_was_shown_to_a_forgotten_user_counts_for_items_alone(shop: Engine) -> None:
    log = Log(shop)
    log.show("ann", "bc", 0.0)
    decide(shop, erasure("ann", T + 10))
    assert told(shop, "exposure", by="item", figure="places") == 2.0
    assert told(shop, "exposure_diversity") == {}


def test_a_restored_engine_tells_the_same(shop: Engine) -> None:
    log = Log(shop)
    for n in range(40):
        log.show(f"u{n % 7}", "abcd"[n % 3 :], float(n))
    again = Engine(ENGINE, MEASURE)
    again.restore(shop.snapshot(), shop.position)
    assert figures(again) == figures(shop)


def test_pieces_however_small_say_the_same(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(shop)
    for n in range(40):
        log.show(f"u{n % 7}", "abcd"[n % 3 :], float(n))
    decide(shop, erasure("u3", T + 10))
    whole = figures(shop)
    monkeypatch.setattr(exposure, "PORTION", 2)
    monkeypatch.setattr(exposure, "PORTION_OF_USERS", 2)
    assert len(list(pieces(shop))) > 20
    assert figures(shop) == pytest.approx(whole)
    assert told(shop, "exposure_diversity").keys() == {
        ("exposure_diversity", (("of", half),)) for half in ("all", "earlier", "later")
    }


def test_what_is_learned_between_two_pieces_does_no_harm(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposure, "PORTION", 2)
    log = Log(shop)
    log.show("ann", "abc", 0.0)
    for n, _ in enumerate(counting := pieces(shop)):
        change(shop, Item(f"new{n}", tags=(f"tag{n}",), owner=f"owner{n}"), Item("a", hidden=bool(n % 2)))
        log.show("bob", "cd", 1.0 + n)
    assert counting.gi_frame is None
    assert told(shop, "exposure", by="item", figure="places") > 3.0


def test_fingerprints_are_those_of_the_kernels() -> None:
    hashes = np.random.default_rng(1).integers(0, 1 << 64, 50, np.uint64)
    assert (mixed(hashes) >> np.uint64(32)).tolist() == [int(fingerprint(each)) for each in hashes]
