"""CTR and the like as points: complete after a crash or a handover, and counted once for Prometheus."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.feedback.attribution import Attribution
from stream_rec.feedback.outcomes import Outcomes, distinct
from stream_rec.kernels.shown import N_REGISTERS
from stream_rec.schemas.records import MetricPoint
from stream_rec.settings import MeasureSettings
from stream_rec.telemetry.points import latest, total
from tests.feedback.making import MINUTE, attribution, do, show

SETTINGS = MeasureSettings(max_outcome_cells=64)


def ratio(points: list[MetricPoint], metric: str, **labels: str) -> float:
    above, below = total(points, metric, **labels)
    return above / below


def counted(of: Outcomes, a: Attribution, metric: str) -> tuple[float, float]:
    rows = [(above, below) for name, _, above, below in of.totals(a) if name == metric]
    return sum(above for above, _ in rows), sum(below for _, below in rows)


def a_small_world() -> Attribution:
    a = attribution()
    show(a, 1, [10, 11], ts=0)
    show(a, 2, [10, 11], ts=0, partition=1)
    show(a, 3, [12, 13], ts=61, broker_ts=MINUTE, scenario="cart")
    do(a, 1, 11, ts=5)
    do(a, 3, 12, ts=65)
    return a


def test_rates_of_a_small_world_by_hand() -> None:
    points = Outcomes(SETTINGS).due(a_small_world(), [0, 1], catalogue_items=100)
    assert ratio(points, "ctr") == pytest.approx(2 / 3)
    assert ratio(points, "ctr", scenario="default") == pytest.approx(1 / 2)
    assert ratio(points, "place_ctr") == pytest.approx(2 / 6)
    assert ratio(points, "click_rank") == pytest.approx((2 + 1) / 2)


def test_only_owned_partitions_are_given_out() -> None:
    points = Outcomes(SETTINGS).due(a_small_world(), [1], catalogue_items=100)
    assert {p.partition for p in points} == {1}
    assert {p.topic for p in points} == {"impressions"}


def test_a_later_click_makes_the_point_of_the_impressions_window_again() -> None:
    a, outcomes = a_small_world(), Outcomes(SETTINGS)
    first = outcomes.due(a, [0, 1], catalogue_items=100)
    assert outcomes.due(a, [0, 1], catalogue_items=100) == [], "nothing has changed"
    do(a, 2, 10, ts=99)
    second = outcomes.due(a, [0, 1], catalogue_items=100)
    assert {(p.partition, p.window_start) for p in second} == {(1, 0)}
    assert ratio(first + second, "ctr") == 1.0


def test_the_next_owner_writes_the_same_points_again_and_nothing_is_counted_double() -> None:
    a = a_small_world()
    one, two = Outcomes(SETTINGS), Outcomes(SETTINGS)
    by_one = one.due(a, [0, 1], catalogue_items=100)
    two.assign(a, 0)
    two.assign(a, 1)
    by_two = two.due(a, [0, 1], catalogue_items=100)
    assert latest(by_one) == latest(by_two) == latest(by_one + by_two)
    assert counted(one, a, "ctr") == (2, 3)
    assert counted(two, a, "ctr") == (0, 0), "another worker's totals have them"
    do(a, 2, 10, ts=99)
    show(a, 2, [10], ts=99, partition=1)
    two.due(a, [0, 1], catalogue_items=100)
    assert counted(two, a, "ctr") == (1, 1)


def test_a_cell_that_took_the_slot_of_an_older_one_counts_from_zero() -> None:
    a, outcomes = attribution(max_outcome_cells=16), Outcomes(MeasureSettings(max_outcome_cells=16))
    for minute in range(40):
        show(a, 1, [10], ts=minute * 60, broker_ts=minute * MINUTE)
        outcomes.due(a, [0], catalogue_items=10)
    assert counted(outcomes, a, "ctr") == (0, 40)


def test_recent_figures_leave_out_windows_that_cannot_change_any_more() -> None:
    a = attribution()
    outcomes = Outcomes(MeasureSettings(max_outcome_cells=64, attribution_window_seconds=100.0))
    show(a, 1, [10], ts=0, broker_ts=0)
    show(a, 1, [10, 11], ts=600, broker_ts=10 * MINUTE)
    recent = {name: (above, below) for name, _, above, below in outcomes.recent(a, [0], 10)}
    assert recent["ctr"] == (0, 1)
    assert recent["coverage_recent"][0] == pytest.approx(2, abs=0.1)


def test_what_cannot_change_any_more_is_told_once_of_partitions_that_are_owned() -> None:
    a = attribution()
    outcomes = Outcomes(MeasureSettings(max_outcome_cells=64, attribution_window_seconds=100.0))
    show(a, 1, [10], ts=0, broker_ts=0)
    assert outcomes.settled(a, [0]) == []
    show(a, 2, [10], ts=1, broker_ts=0)
    show(a, 3, [10], ts=1, broker_ts=0, partition=1)
    do(a, 2, 10, ts=5)
    assert outcomes.settled(a, [0]) == []
    show(a, 4, [10, 11], ts=600, broker_ts=10 * MINUTE)
    assert outcomes.settled(a, [0]) == [("default", MINUTE, 1, 2)]
    assert outcomes.settled(a, [0]) == []
    show(a, 4, [10, 11], ts=600, broker_ts=10 * MINUTE, partition=1)
    assert outcomes.settled(a, [0, 1]) == [], "nobody is told of what was before it came"


def test_coverage_counts_different_items_and_not_showings() -> None:
    a = attribution()
    for user in range(30):
        show(a, user, [1, 2, 3], ts=0)
    points = Outcomes(SETTINGS).due(a, [0], catalogue_items=12)
    assert ratio(points, "coverage") == pytest.approx(3 / 12, rel=0.05)


@pytest.mark.parametrize("n", [10, 300, 5_000, 100_000])
def test_distinct_items_are_estimated_within_a_fifth(n: int) -> None:
    a = attribution(max_open_places=2_000)
    rng = np.random.default_rng(n)
    ids = rng.integers(1, 2**63, n)
    for start in range(0, n, 150):
        show(a, 1, ids[start : start + 150].tolist(), ts=0)
    (estimate,) = distinct(a.state.cells.registers[:1])
    assert estimate == pytest.approx(n, rel=0.2), "three standard errors of 6.5 %"


def test_nothing_shown_is_no_items() -> None:
    assert distinct(np.zeros((1, N_REGISTERS), np.uint8)).tolist() == [0.0]


def test_a_refund_lets_no_sum_fall() -> None:
    """Prometheus takes a sum that falls for a restart."""
    a, outcomes = attribution(), Outcomes(SETTINGS)
    show(a, 1, [10, 11, 12], ts=0)
    do(a, 1, 10, ts=1, kind="purchase", value=20.0)
    outcomes.due(a, [0], catalogue_items=0)
    before = {(metric, *labels.items()): above for metric, labels, above, _ in outcomes.totals(a)}
    do(a, 1, 11, ts=2, kind="purchase", value=-15.0)
    outcomes.due(a, [0], catalogue_items=0)
    after = {(metric, *labels.items()): above for metric, labels, above, _ in outcomes.totals(a)}
    assert all(after[key] >= before[key] for key in before)
    assert counted(outcomes, a, "conversion_value") == (20.0, 2)
    assert counted(outcomes, a, "refund_value") == (15.0, 2)


HOUR = 60 * MINUTE


def crowd(a: Attribution, broker_ts: int) -> None:
    """More scenarios than there are labels, each shown once."""
    for n in range(20):
        show(a, 1, [10], ts=broker_ts / 1000, broker_ts=broker_ts, scenario=f"typo-{n}")


def test_a_scenario_in_use_has_a_label_although_others_came_first() -> None:
    a, outcomes = attribution(), Outcomes(SETTINGS)
    crowd(a, 0)
    show(a, 1, [10], ts=3600, broker_ts=HOUR, scenario="checkout")
    points = outcomes.due(a, [0], catalogue_items=0)
    assert total(points, "ctr", scenario="checkout") == (0, 1)


def test_a_label_that_changed_hands_counts_from_zero() -> None:
    """It is another series; what the old name had counted is not the new one's."""
    a, outcomes = attribution(), Outcomes(SETTINGS)
    crowd(a, 0)
    do(a, 1, 10, ts=1)
    outcomes.due(a, [0], catalogue_items=0)
    for n in range(13):
        show(a, 2, [10], ts=3600, broker_ts=HOUR, scenario=f"page-{n}")
    outcomes.due(a, [0], catalogue_items=0)
    rows = {
        labels["scenario"]: (above, below)
        for name, labels, above, below in outcomes.totals(a)
        if name == "ctr"
    }
    assert {name for name in rows if name.startswith("page")} == {f"page-{n}" for n in range(13)}
    assert all(rows[f"page-{n}"] == (0, 1) for n in range(13))
    assert sum(name.startswith("typo") for name in rows) == 1


def test_points_of_a_name_that_lost_its_label_are_not_written_under_the_new_one() -> None:
    a = attribution()
    crowd(a, 0)
    for n in range(14):
        show(a, 2, [10], ts=3600, broker_ts=HOUR, scenario=f"page-{n}")
    points = Outcomes(SETTINGS).due(a, [0], catalogue_items=0)
    assert {p.window_start for p in points if p.labels["scenario"].startswith("page")} == {HOUR}
    assert {p.labels["scenario"] for p in points if p.window_start == 0} == {"other"}
