"""What the page computes from what it has seen."""

from __future__ import annotations

import math

import msgspec
import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.bus.lag import PartitionLag
from stream_rec.page import metric_log
from stream_rec.page.alarms import alarms
from stream_rec.page.catalogue import Catalogue
from stream_rec.page.figures import KEPT_SAMPLES, RATE_SECONDS, Recent, Sample
from stream_rec.page.metric_log import MetricLog, Share
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import Item, MetricPoint
from stream_rec.settings import IngestSettings
from stream_rec.store.last_values import LastValues


def lags(committed: int, lag: int = 0) -> list[PartitionLag]:
    return [PartitionLag("events", 0, 0, committed + lag, committed, lag)]


def batch(topic: str, keys: list[bytes], values: list[bytes | None]) -> Fetched:
    n = len(keys)
    return Fetched(topic, 0, 0, 0, n, list(keys), values, list(range(n)), [1] * n)


def test_rates_are_taken_over_the_last_seconds_and_survive_an_outage() -> None:
    recent = Recent()
    for second in range(10):
        recent.add(
            float(second), {"w": LastValues(second, {"slates_written": 20.0 * second})}, lags(100 * second)
        )
    assert recent.last.events_per_s == 100
    assert recent.last.slates_per_s == 20
    recent.note("kafka is away")
    assert (recent.last.trouble, recent.last.events_per_s, recent.last.at) == ("kafka is away", 100, 9.0)
    recent.add(9.0 + RATE_SECONDS, {}, lags(1300))
    assert recent.last.events_per_s == 100


def test_the_window_of_looks_is_bounded() -> None:
    recent = Recent()
    for second in range(KEPT_SAMPLES + 5):
        recent.add(float(second), {}, [])
    assert len(recent.all()) == KEPT_SAMPLES
    assert math.isnan(Recent().last.events_per_s)


def test_workers_figures_are_put_together() -> None:
    hits = "served_hit_rate{k=10,source=slate}"
    workers = {
        "a": LastValues(
            100, {hits: 0.1, "slates_written": 300, "partition_lag{partition=0,topic=events}": 0}
        ),
        "b": LastValues(80, {hits: 0.3, "slates_written": 100, "freshness_ms_p99": 9, "misrouted": 2}),
        "c": LastValues(100, {"alarm_since{alarm=served_hit_rate,direction=drop}": 60.0}),
    }
    sample = Sample(100.0, workers, lags(5, 3))
    assert round(sample.hit_rates(10)[0], 9) == 0.15
    assert sample.worst("freshness_ms_p99") == 9
    assert sample.owners() == {("events", 0): "a"}
    assert sample.lag == 3
    said = [alarm.what for alarm in alarms(sample)]
    assert said[0].startswith("b has not reported")
    assert said[1] == "served_hit_rate has changed for good, since 1970-01-01 00:01 UTC"
    assert said[2].startswith("2 events are on a partition")


def test_the_larger_of_two_points_of_one_key_counts_and_others_are_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metric_log, "KEPT_POINTS", 100)

    def point(partition: int, numerator: float, denominator: float) -> bytes:
        made = MetricPoint("ctr", {"scenario": "home"}, 60, 60, "events", partition, numerator, denominator)
        return msgspec.json.encode(made)

    log = MetricLog()
    log.take(batch("metrics", [b"k"] * 4, [point(0, 3, 10), point(0, 1, 4), point(1, 1, 10), b"no json"]))
    assert log.by_label("ctr", "scenario") == {"home": Share(4, 20)}
    assert log.by_window("ctr", {"scenario": "home"}) == [(60, Share(4, 20))]
    for number in range(110):
        log.take(batch("metrics", [b"k"], [point(number + 5, 0, 1)]))
    assert log.by_label("ctr", "scenario")["home"].below == 100


def test_the_catalogue_follows_items_and_forgets_the_oldest() -> None:
    catalogue = Catalogue(IngestSettings(), 2)
    for item in (Item("a", title="Alien"), Item("b", title="Aliens"), Item("c")):
        catalogue.take(batch("items", [item.item_id.encode()], [encode(item)]))
    assert len(catalogue) == 2
    assert [each.item_id for each in catalogue.search("alien", 5)] == ["b"]
    assert catalogue.title("c") == "c"
    catalogue.take(batch("items", [b"b"], [None]))
    assert catalogue.find("b") is None


def test_numbers_have_units_that_keep_them_short() -> None:
    # Here, as it brings NiceGUI, a second: not in each process that only collects the tests.
    from stream_rec.page.views.parts import ago, duration, spark

    assert [duration(ms) for ms in (7.25, 812.4, 61_000, 1_200_000)] == [
        ("7.2", "ms"),
        ("812", "ms"),
        ("61", "s"),
        ("20", "min"),
    ]
    assert [ago(seconds) for seconds in (0.2, 30, 90, 7200)] == ["now", "30 s ago", "2 min ago", "2 h ago"]
    assert spark([math.nan, 1.0]) == ""
    assert "polyline" in spark([1.0, math.nan, 3.0])
