"""Metric points as readers see them: a point has a key, a later write of a key overwrites, and sums are added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream_rec.schemas.records import MetricPoint


def label_text(labels: Mapping[str, str]) -> str:
    """`a=1,b=2`, sorted by name."""
    return ",".join(f"{name}={labels[name]}" for name in sorted(labels))


def field(metric: str, labels: Mapping[str, str]) -> str:
    """Name of a figure among the last values: `served_hit_rate{k=10,source=slate}`."""
    return f"{metric}{{{label_text(labels)}}}" if labels else metric


def labels_of(name: str, metric: str) -> dict[str, str] | None:
    """The labels in the name of a figure of this metric; None = it is of another."""
    head, brace, rest = name.partition("{")
    if head != metric:
        return None
    pairs = rest.removesuffix("}").split(",") if brace else []
    return dict(pair.partition("=")[::2] for pair in pairs)


def point_key(point: MetricPoint) -> str:
    """Key in the topic `metrics`: metric and labels, window, topic-partition."""
    where = f"{point.topic}/{point.partition}"
    return f"{field(point.metric, point.labels)}|{point.window_start}+{point.window_seconds}|{where}"


def latest(points: Iterable[MetricPoint]) -> dict[str, MetricPoint]:
    """One point per key, whatever the order and however often each was written.

    Sums of a window only grow, so the larger one (denominator first) is the later one. A worker that was killed
    resumes from its committed offset: its points for the window it died in are smaller, and the earlier ones count.
    """
    kept: dict[str, MetricPoint] = {}
    for point in points:
        key = point_key(point)
        other = kept.get(key)
        if other is None or (point.denominator, point.numerator) > (other.denominator, other.numerator):
            kept[key] = point
    return kept


def total(points: Iterable[MetricPoint], metric: str, **labels: str) -> tuple[float, float]:
    """Numerator and denominator of a metric over windows and partitions, for all points with these labels."""
    numerator = denominator = 0.0
    for point in latest(points).values():
        if point.metric == metric and all(point.labels.get(name) == value for name, value in labels.items()):
            numerator += point.numerator
            denominator += point.denominator
    return numerator, denominator
