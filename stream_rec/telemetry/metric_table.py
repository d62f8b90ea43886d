"""Every metric, once: its name, unit and meaning, and where it is exported.

`docs/metrics.md` holds the table that this module prints (`python -m stream_rec.telemetry.metric_table docs/metrics.md`
regenerates it); Prometheus' help texts are the same. It is one table, and so one file, however long.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PREFIX = "stream_rec_"
TABLE_START, TABLE_END = "<!-- metrics:start -->", "<!-- metrics:end -->"


class Kind(StrEnum):
    """How a metric is summed.

    RATIO: numerator and denominator. COUNT: the same, but the numerator alone is of interest. GAUGE: the last value.
    DURATIONS: a histogram.
    """

    RATIO = "ratio"
    COUNT = "count"
    GAUGE = "gauge"
    DURATIONS = "durations"


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table.

    Attributes:
        name: in the topic `metrics` and among the last values.
        kind: how it is summed.
        unit: of the value: of numerator / denominator, or of the numerator for a count.
        meaning: numerator and denominator in words.
        labels: their names.
        prometheus: name on /metrics without prefix and suffix; "" = not there.
        topic: whether it is in the topic `metrics`.
        redis: whether it is among the last values.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    prometheus: str = ""
    topic: bool = True
    redis: bool = True

    def on_prometheus(self) -> str:
        """Its name on /metrics."""
        base = f"{PREFIX}{self.prometheus}"
        return {
            Kind.RATIO: f"`{base}_sum` / `{base}_count`",
            Kind.COUNT: f"`{base}_total`",
            Kind.GAUGE: f"`{base}`",
            Kind.DURATIONS: f"`{base}_bucket`",
        }[self.kind]


def _ratio(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, Kind.RATIO, unit, meaning, labels, name)


def _unscraped(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    """A ratio that Prometheus has in another form."""
    return Metric(name, Kind.RATIO, unit, meaning, labels)


def _count(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNT, "1", meaning, labels, name)


def _told(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    """A gauge with a label whose values come and go: it would fill Prometheus."""
    return Metric(name, Kind.GAUGE, unit, meaning, labels, topic=False)


def _gauge(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, unit, meaning, labels, name, topic=False)


def _scraped(name: str, kind: Kind, unit: str, meaning: str, *labels: str) -> Metric:
    """One that only Prometheus has."""
    return Metric(name, kind, unit, meaning, labels, name, topic=False, redis=False)


_JUDGE = ("source", "k")
_OUTCOME = ("scenario", "variant", "segment")

SERVED = (
    _ratio(
        "served_hit_rate",
        "share",
        "events whose item was within the first k places of the slate that its user was last served (source `slate`), "
        "or of the current popular list (source `popular_list`) / events",
        *_JUDGE,
    ),
    _ratio("served_mrr", "share", "as `served_hit_rate`: sum of 1 / place, 0 beyond k / events", *_JUDGE),
    _ratio(
        "served_ndcg",
        "share",
        "as `served_hit_rate`: sum of 1 / log2(place + 1), 0 beyond k / events",
        *_JUDGE,
    ),
    _ratio(
        "served_known",
        "share",
        "events whose user's last slate was in memory; only these are judged above / events",
    ),
    _count(
        "drift_alarms",
        "lasting changes of the served hit-rate, by a test that allows for runs and seasons / events judged",
        "direction",
    ),
)
FRESH = (
    _ratio(
        "fresh_hit_rate",
        "share",
        "events whose item was within the first k places of a ranking made just before the event was learned: all "
        "sources together (`blended`), one source alone, or plain popularity (`baseline`) / events sampled",
        *_JUDGE,
    ),
    _ratio(
        "fresh_mrr", "share", "as `fresh_hit_rate`: sum of 1 / place, 0 beyond k / events sampled", *_JUDGE
    ),
    _ratio(
        "fresh_ndcg",
        "share",
        "as `fresh_hit_rate`: sum of 1 / log2(place + 1), 0 beyond k / events sampled",
        *_JUDGE,
    ),
    _ratio(
        "index_only_hits",
        "share",
        "fresh blended hits whose item only the vector index had found / fresh blended hits",
    ),
    _ratio(
        "rating_mse",
        "rating squared",
        'sum of the squared differences between ratings (values of event types with `value = "rating"`) and what was '
        "expected just before each was learned / ratings; its root is the RMSE",
    ),
    _ratio("rating_mae", "rating", "as `rating_mse`: sum of the differences, without sign / ratings"),
    _ratio(
        "index_only_items", "share", "items of written slates that only the vector index had found / items"
    ),
)
OUTCOMES = (
    _ratio(
        "ctr",
        "share",
        "shown slates with a click (any interaction with a shown item within the attribution window) / shown slates",
        *_OUTCOME,
    ),
    _ratio("place_ctr", "share", "clicked places / shown places", *_OUTCOME),
    _ratio("click_rank", "place", "sum of the places clicked, from 1 / clicked places", *_OUTCOME),
    _ratio(
        "conversion_rate",
        "per slate",
        "places with a conversion (`engine.event_types`: `conversion`) / shown slates",
        *_OUTCOME,
    ),
    _ratio(
        "conversion_value",
        "value",
        "sum of the values of conversions, those below 0 (refunds) left out / conversions with a value",
        *_OUTCOME,
    ),
    _ratio(
        "refund_value",
        "value",
        "sum of the values of conversions below 0, as a positive number / conversions with a value; subtract it from "
        "`conversion_value` for the net value",
        *_OUTCOME,
    ),
    _ratio(
        "dwell_seconds",
        "s",
        "sum of dwell (`engine.event_types`: `value`) on shown items / events with a dwell",
        *_OUTCOME,
    ),
    _ratio(
        "novelty_bits",
        "bit",
        "sum of -log2(share of all interactions) of shown items / shown places",
        *_OUTCOME,
    ),
    Metric(
        "coverage",
        Kind.RATIO,
        "share",
        "distinct items shown in the window and partition (HyperLogLog, 6.5 % error) / items of the catalogue; summed "
        "over partitions and windows this is their mean",
        _OUTCOME,
        redis=False,
    ),
    _gauge(
        "coverage_recent",
        "share",
        "distinct items shown in the recent windows over all owned partitions / items of the catalogue",
        "scenario",
    ),
    _ratio(
        "impressions_cut_short",
        "share",
        "impressions evicted before their attribution window was over / shown slates; above 0: raise "
        "`measure.max_open_impressions` or `measure.max_open_places`",
        *_OUTCOME,
    ),
)
TIMES = (
    _unscraped(
        "freshness_ms",
        "ms",
        "sum of the time from publishing (the broker's timestamp) to the slate being readable in Redis / events; among "
        "the last values also `freshness_ms_p50` and `freshness_ms_p99` of the recent windows",
    ),
    _unscraped(
        "freshness_within", "share", "events whose slate was readable within so many ms / events", "ms"
    ),
    Metric(
        "freshness_seconds", Kind.DURATIONS, "s", "as `freshness_ms`", (), "freshness_seconds", False, False
    ),
    _unscraped("stage_us", "us", "time spent in a stage / events", "stage"),
    Metric(
        "stage_seconds",
        Kind.DURATIONS,
        "s",
        "time of a batch in a stage",
        ("stage",),
        "stage_seconds",
        False,
        False,
    ),
    _unscraped("lag", "records", "sum of samples of (end of the partition - committed offset) / samples"),
    _gauge("partition_lag", "records", "end of the partition - committed offset", "topic", "partition"),
    _gauge(
        "follower_lag",
        "records",
        "end of a partition that another worker owns - next offset to learn",
        "topic",
        "partition",
    ),
    _ratio(
        "index_staleness", "events", "sum of samples of events since the vector index was refreshed / samples"
    ),
)
COUNTS = (
    _count("events_learned", "events learned / records read"),
    _count(
        "events_repeated",
        "events dropped by deduplication: their event_id, item and type were learned before / records read",
    ),
    _count("events_ignored", "events whose type or value means `ignore`: they leave no trace / records read"),
    _count(
        "events_no_interest",
        "events that were learned, but not as interest: dislikes, nevers and what takes others back / records read",
    ),
    _count(
        "unknown_event_types",
        "events of a type that is not in `engine.event_types`, each learned as interest of weight 1; the first 15 "
        "names have a label / events",
        "type",
    ),
    _count(
        "misrouted", "events on a partition their key does not hash to: a wrong partitioner / records read"
    ),
    _count("records_read", "records read, good or bad / the same"),
    _count(
        "records_refused",
        "records that Kafka refused for good and that are lost, by the topic they were for / the same",
        "to",
    ),
    _count("parts_left_out", "unusable parts omitted from records / records with such parts"),
    _count("dead_letters", "records that could not be decoded or validated / the same", "reason"),
    _count("evicted_users", "users evicted from the engine's state / records read"),
    _count(
        "evicted_items",
        "items evicted from the engine's state, by events or catalogue records / records read",
    ),
    _count("slates_written", "slates written / events"),
    _count("slates_stale", "slates not written because Redis held a newer one / slates offered"),
    _count("slates_rewritten", "slates rewritten because Redis had lost them / the same"),
)
STATE = (
    _gauge("served_hit_rate_adwin", "share", "ADWIN's estimate of the served hit-rate in its present window"),
    _gauge(
        "served_cache_evictions",
        "users",
        "users evicted from the cache of last written slates, since the start",
    ),
    _gauge("metric_points_dropped", "points", "metric points dropped because they were not sent in time"),
    _gauge(
        "engine",
        "by stat",
        "figures of the engine's state: users, items, index size and staleness, open impressions, lost outcomes, ...",
        "stat",
    ),
)
EXPERIMENTS = (
    _gauge(
        "experiment",
        "by outcome",
        "what users of an arm have done since the experiment began, from the worker that owns `control`: users, slates "
        "shown, clicks, seconds of attention, sessions, bounces, carts, purchases, revenue, refunds (docs/trials.md)",
        "experiment",
        "variant",
        "outcome",
    ),
    _gauge(
        "experiment_lift",
        "by figure",
        "of an arm against the control, by the metric that it is of, from 100 users of each arm on: `value` of the "
        "arm, `control`, relative `lift`, `low` and `high` of its confidence sequence, `p` (always valid) and "
        "`corrected` (Holm). Of interleaved arms, `of` is `preference`: from -1, all prefer the control, to 1",
        "experiment",
        "variant",
        "of",
        "figure",
    ),
    _gauge(
        "experiment_reading",
        "by figure",
        "of all arms together: `sample_ratio` (always-valid p of the planned shares), `needed_users` for the smallest "
        "difference worth having, and `days_left` at the rate so far",
        "experiment",
        "figure",
    ),
    _gauge(
        "experiment_obstacle",
        "0 or 1",
        "why nothing is known of a metric of a live experiment: `no_scenario`, `few_users`, `not_counted`, "
        "`no_outcome` (0 for every user), `none_of_control`, `all_alike` (docs/trials.md); 1 = of the metric that "
        "decides, 0 = of another",
        "experiment",
        "obstacle",
        "of",
    ),
    _gauge(
        "experiment_ranker",
        "by figure",
        "of an arm that ranks by itself: training examples judged, hits among the first 20, sum of 1 / rank; `main_` = "
        "of the engine's own ranker on the same examples",
        "experiment",
        "variant",
        "figure",
    ),
    _gauge(
        "experiment_since",
        "s",
        "when an experiment came into its state, seconds since the epoch",
        "experiment",
        "state",
    ),
)
EXPOSURE = (
    _gauge(
        "exposure",
        "share",
        "of the newest 5,000 shown slates in memory, from the worker that owns `control`, by item, owner and tag (a "
        "place counts for its item's tags in equal parts): `gini` (0 = all are shown alike, near 1 = few have all), "
        "`top_tenth` = what the most shown tenth has, `coverage` = those shown at all / those there are; and `places`",
        "by",
        "figure",
    ),
    _told(
        "exposure_share",
        "share",
        "of the same, what the five most shown owners, and tags, have",
        "by",
        "name",
    ),
    _gauge(
        "exposure_diversity",
        "share",
        "of the same, mean over users: the chance that two places of a user differ in their tag; `all` of the user's "
        "slates, and the `earlier` and the `later` half of them: later below earlier = users' slates narrow",
        "of",
    ),
)
ALARMS = (
    _gauge(
        "alarm_since",
        "s",
        "about when what an alarm that is in force is about began, seconds since the epoch, from the worker that owns "
        "`control` (docs/alarms.md)",
        "alarm",
        "direction",
    ),
)
BRIDGE = (
    _scraped("bridge_messages", Kind.COUNT, "1", "messages read from foreign topics", "topic"),
    _scraped(
        "bridge_records",
        Kind.COUNT,
        "1",
        "records made of them, by our topic; some may be published again",
        "topic",
        "to",
    ),
    _scraped(
        "bridge_left_out",
        Kind.COUNT,
        "1",
        "messages, or elements of them, that the shape leaves out: no dead letters",
        "topic",
        "reason",
    ),
    _scraped(
        "bridge_parts_left_out",
        Kind.COUNT,
        "1",
        "optional fields of messages that could not be read; the rest is published",
        "topic",
        "field",
    ),
    _scraped(
        "bridge_dead_letters",
        Kind.COUNT,
        "1",
        "messages of which something could not be read",
        "topic",
        "reason",
    ),
    _scraped(
        "bridge_lag",
        Kind.GAUGE,
        "messages",
        "messages behind the end of a foreign partition that are not committed, as of the last fetch",
        "topic",
        "partition",
    ),
    _scraped(
        "bridge_uncommitted", Kind.GAUGE, "records", "records published whose source is not committed yet"
    ),
    _scraped(
        "bridge_blocked_seconds",
        Kind.GAUGE,
        "s",
        "how long the bridge has been waiting for Kafka's acknowledgements or the schema registry; 0 = it is not",
    ),
)
METRICS: tuple[Metric, ...] = (
    SERVED + FRESH + OUTCOMES + TIMES + COUNTS + STATE + EXPERIMENTS + EXPOSURE + ALARMS + BRIDGE
)
BY_NAME = {metric.name: metric for metric in METRICS}


def table() -> str:
    """The table of docs/metrics.md."""
    lines = [
        "| metric | meaning (numerator / denominator) | unit | labels | topic | Redis | Prometheus |",
        "|---|---|---|---|---|---|---|",
    ]
    for metric in METRICS:
        found = (
            "yes" if metric.topic else "",
            "yes" if metric.redis else "",
            metric.on_prometheus() if metric.prometheus else "",
        )
        labels = ", ".join(metric.labels)
        lines.append(
            f"| `{metric.name}` | {metric.meaning} | {metric.unit} | {labels} | {' | '.join(found)} |"
        )
    return "\n".join(lines)


def with_table(text: str) -> str:
    """A document with the table between its two marks put in anew."""
    head, rest = text.split(TABLE_START, 1)
    tail = rest.split(TABLE_END, 1)[1]
    return f"{head}{TABLE_START}\n{table()}\n{TABLE_END}{tail}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(with_table(document.read_text()))
