"""Impressions are joined with what their users did next."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.errors import ConfigError
from stream_rec.kernels import attribution_state as columns
from tests.feedback.making import attribution, do, show


def sums(of: object, cell: int = 0) -> np.ndarray:
    return of.state.cells.sums[cell]  # type: ignore[attr-defined, no-any-return]


def test_a_click_on_a_shown_item_is_credited_to_its_place() -> None:
    a = attribution()
    show(a, 1, [10, 11, 12], ts=0)
    assert do(a, 1, 12, ts=5) == 3
    assert sums(a)[columns.CLICKED_IMPRESSIONS] == 1
    assert sums(a)[columns.CLICK_RANKS] == 3


@pytest.mark.parametrize(
    ("user", "item", "ts", "why"),
    [
        (2, 11, 5, "another user"),
        (1, 13, 5, "an item that was not shown"),
        (1, 11, -1, "before it was shown"),
        (1, 11, 101, "after the attribution window"),
    ],
)
def test_nothing_is_credited_to(user: int, item: int, ts: float, why: str) -> None:
    a = attribution()
    show(a, 1, [10, 11, 12], ts=0)
    assert do(a, user, item, ts) == 0, why
    assert sums(a)[columns.CLICKED_PLACES] == 0


def test_both_ends_of_the_attribution_window_count() -> None:
    a = attribution()
    show(a, 1, [10, 11], ts=0)
    assert do(a, 1, 10, ts=0) == 1
    assert do(a, 1, 11, ts=100) == 2


def test_a_click_learned_before_its_impression_is_joined_when_the_impression_comes() -> None:
    a = attribution()
    assert do(a, 1, 11, ts=5) == 0
    show(a, 1, [10, 11], ts=3)
    assert sums(a)[columns.CLICKED_IMPRESSIONS] == 1
    assert sums(a)[columns.CLICK_RANKS] == 2


def test_a_click_is_credited_once_even_when_an_older_impression_is_learned_later() -> None:
    a = attribution()
    show(a, 1, [11], ts=3)
    do(a, 1, 11, ts=5)
    show(a, 1, [10, 11], ts=1)
    assert sums(a)[columns.CLICKED_PLACES] == 1


def test_the_latest_impression_that_showed_the_item_gets_the_click() -> None:
    a = attribution()
    show(a, 1, [10, 11], ts=0)
    show(a, 1, [11, 10], ts=20)
    show(a, 1, [11, 12], ts=10)
    assert do(a, 1, 10, ts=30) == 2, "the one at 20, not the one at 0"
    assert do(a, 1, 12, ts=30) == 2, "only the one at 10 showed it"


def test_a_place_is_clicked_and_converts_once_but_dwell_adds_up() -> None:
    a = attribution()
    show(a, 1, [10, 11], ts=0)
    do(a, 1, 10, ts=1, kind="view", value=4.0)
    do(a, 1, 10, ts=2, kind="view", value=6.0)
    do(a, 1, 10, ts=3, kind="purchase", value=99.0)
    do(a, 1, 10, ts=4, kind="purchase", value=99.0)
    assert sums(a)[columns.CLICKED_PLACES] == 1
    assert sums(a)[columns.DWELL_SECONDS] == 10.0
    assert sums(a)[columns.DWELLS] == 2
    assert sums(a)[columns.CONVERSIONS] == 1
    assert sums(a)[columns.CONVERSION_VALUE] == 99.0


def test_a_rating_is_a_click_but_its_value_is_no_dwell() -> None:
    a = attribution()
    show(a, 1, [10], ts=0)
    assert do(a, 1, 10, ts=1, kind="rating", value=5.0) == 1
    assert sums(a)[columns.DWELLS] == 0


def test_two_clicks_in_one_slate_are_one_clicked_slate_and_two_clicked_places() -> None:
    a = attribution()
    show(a, 1, [10, 11], ts=0)
    do(a, 1, 10, ts=1)
    do(a, 1, 11, ts=2)
    assert sums(a)[columns.CLICKED_IMPRESSIONS] == 1
    assert sums(a)[columns.CLICKED_PLACES] == 2


def test_novelty_is_the_self_information_of_what_is_shown() -> None:
    a = attribution()
    for ts in range(3):
        do(a, 1, 10, ts)
    show(a, 2, [10, 77], ts=0)
    # 3 interactions with 1 item, add-one: (3 + 1) / (3 + 1 + 1), and 1 / 5 for an item nobody has used.
    assert sums(a)[columns.NOVELTY_BITS] == pytest.approx(-np.log2(4 / 5) - np.log2(1 / 5))


def test_scenarios_variants_and_segments_are_counted_apart() -> None:
    a = attribution()
    show(a, 1, [10], ts=0)
    show(a, 1, [10], ts=0, scenario="cart", variant="b", returning=True)
    labels = [a.names.labels(int(code)) for code in a.state.cells.label[:2]]
    assert labels == [
        {"scenario": "default", "variant": "none", "segment": "new"},
        {"scenario": "cart", "variant": "b", "segment": "returning"},
    ]


def test_names_from_outside_cannot_make_more_labels_than_the_bound() -> None:
    a = attribution()
    for i in range(100):
        show(a, 1, [10], ts=0, scenario=f"s{i}", variant="x" * 65)
    seen = {
        (labels["scenario"], labels["variant"])
        for labels in (a.names.labels(int(code)) for code in a.state.cells.label[:64])
    }
    assert len(seen) == 15, "other and 14 of the new names; `default` was never shown"
    assert {variant for _, variant in seen} == {"other"}


def test_full_rings_give_away_the_oldest_impression_first_and_say_so() -> None:
    a = attribution(max_open_impressions=16)
    for user in range(20):
        show(a, user, [10], ts=user)
    assert a.stats()["open_impressions"] == 16
    assert do(a, 3, 10, ts=21) == 0, "evicted"
    assert do(a, 4, 10, ts=21) == 1, "still open"
    assert sums(a)[columns.CUT_SHORT] == 4


def test_impressions_make_room_when_their_places_run_out() -> None:
    a = attribution(max_open_places=256)
    for user in range(5):
        show(a, user, list(range(100)), ts=user)
    assert a.stats()["open_impressions"] == 2
    assert do(a, 4, 99, ts=6) == 100
    assert do(a, 2, 99, ts=6) == 0


def test_a_very_long_slate_is_kept_up_to_two_hundred_places() -> None:
    a = attribution()
    show(a, 1, list(range(500)), ts=0)
    assert do(a, 1, 199, ts=1) == 200
    assert do(a, 1, 200, ts=1) == 0


def test_outcomes_of_a_window_that_has_made_room_are_counted_as_lost() -> None:
    a = attribution(max_outcome_cells=16)
    show(a, 1, [10], ts=0, broker_ts=0)
    for minute in range(1, 17):
        show(a, 2, [10], ts=0, broker_ts=minute * 60_000)
    do(a, 1, 10, ts=1)
    assert a.stats()["lost_outcomes"] == 1


def test_used_items_are_counted_up_to_the_bound() -> None:
    a = attribution()
    for item in range(1, 5000):
        do(a, 1, item, ts=0)
    assert a.stats()["counted_items"] <= 128, "max_items = 64, kept half full"
    assert a.state.items.totals["kept_uses"][0] == a.state.items.uses.sum()


def test_a_forgotten_user_is_joined_with_nothing_and_the_others_are_as_before() -> None:
    a = attribution()
    for user in (1, 2):
        show(a, user, [10], ts=0)
        do(a, user, 11, ts=1)
    a.forget_user(np.uint64(1))
    assert do(a, 1, 10, ts=2) == 0
    assert do(a, 2, 10, ts=2) == 1
    assert 1 not in a.state.exposures.entries["user"]
    assert (a.state.interactions.entries["user"] == 1).sum() == 1, "only what came after"


def test_a_loaded_state_goes_on_like_the_one_it_came_from() -> None:
    a, b = attribution(), attribution()
    show(a, 1, [10, 11], ts=0, scenario="cart", variant="b")
    do(a, 1, 10, ts=1)
    b.load({name: array.copy() for name, array in a.arrays().items()})
    for each in (a, b):
        show(each, 2, [10], ts=2, scenario="home", variant="c")
        do(each, 1, 11, ts=3)
        do(each, 2, 10, ts=3)
    assert {k: v.tobytes() for k, v in a.arrays().items()} == {k: v.tobytes() for k, v in b.arrays().items()}
    assert b.names.labels(int(b.state.cells.label[1])) == a.names.labels(int(a.state.cells.label[1]))


def test_a_state_with_other_bounds_is_refused_and_nothing_is_changed() -> None:
    a, b = attribution(), attribution(max_open_impressions=32)
    show(a, 1, [10], ts=0)
    before = {name: array.tobytes() for name, array in b.arrays().items()}
    with pytest.raises(ConfigError, match=r"exposures.entries"):
        b.load(a.arrays())
    assert before == {name: array.tobytes() for name, array in b.arrays().items()}
