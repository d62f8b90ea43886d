"""A point written twice overwrites; readers add sums and divide last."""

from __future__ import annotations

from stream_rec.schemas.records import MetricPoint
from stream_rec.telemetry.points import field, labels_of, latest, point_key, total


def point(
    numerator: float, denominator: float, *, partition: int = 0, window: int = 0, source: str = "slate"
) -> MetricPoint:
    return MetricPoint(
        "served_hit_rate",
        {"source": source, "k": "10"},
        window,
        60,
        "events",
        partition,
        numerator,
        denominator,
    )


def test_the_key_is_metric_labels_window_and_partition_but_not_the_sums() -> None:
    assert point_key(point(1, 2)) == "served_hit_rate{k=10,source=slate}|0+60|events/0"
    assert point_key(point(1, 2)) == point_key(point(3, 4))
    others = {
        point_key(point(1, 2, partition=1)),
        point_key(point(1, 2, window=60)),
        point_key(point(1, 2, source="x")),
    }
    assert len(others | {point_key(point(1, 2))}) == 4


def test_the_larger_sums_stand_in_whatever_order_they_come() -> None:
    early, late = point(1, 4), point(2, 9)
    assert list(latest([early, late, early]).values()) == [late]
    assert list(latest([late, early]).values()) == [late]


def test_totals_add_over_partitions_and_windows_and_never_average_ratios() -> None:
    points = [
        point(1, 1),
        point(0, 99, partition=1),
        point(1, 100, window=60),
        point(1, 1),
        point(5, 5, source="x"),
    ]
    assert total(points, "served_hit_rate", source="slate") == (2, 200)


def test_fields_are_named_by_metric_and_sorted_labels() -> None:
    assert field("lag", {}) == "lag"
    assert field("lag", {"b": "2", "a": "1"}) == "lag{a=1,b=2}"


def test_labels_are_read_from_the_names_of_figures() -> None:
    assert labels_of(field("engine", {"stat": "users"}), "engine") == {"stat": "users"}
    assert labels_of("lag", "lag") == {}
    assert labels_of("lag", "partition_lag") is None
