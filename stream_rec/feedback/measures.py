"""All that a worker measures: batches in; metric points, last values and Prometheus figures out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.feedback.attribution import Attribution
from stream_rec.feedback.drift import DriftMonitor
from stream_rec.feedback.floor import Quality
from stream_rec.feedback.judged import JudgedLike, LearnedLike, RatedLike
from stream_rec.feedback.outcomes import TOPIC, Outcomes
from stream_rec.feedback.prequential import add_ranks
from stream_rec.feedback.served import UNKNOWN, Served
from stream_rec.feedback.watches import Change, Watch, Watches, spread
from stream_rec.schemas.columns import LeftOut, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import MetricPoint, TopicName
from stream_rec.settings import MeasureSettings
from stream_rec.telemetry.accumulator import MetricAccumulator
from stream_rec.telemetry.points import field
from stream_rec.telemetry.prometheus import Figures
from stream_rec.telemetry.series import MAX_UNKNOWN_TYPES

NamedFigure = tuple[str, tuple[tuple[str, str], ...]]
"""Metric (docs/metrics.md), and names and values of its labels."""


SERVED_HIT_RATE = "served_hit_rate"


class Measures:
    """Metrics of one worker, for the partitions it owns.

    Call `assign` and `release` as partitions come and go, `due_points` after each batch and when idle. One thread
    writes; `live` and `figures` may be asked by another.

    Args:
        settings: windows, cut-off and bounds.
        sources: the engine's, in the order of `Judged.rank_by_source`.
        attribution: the engine's; None = no outcomes.

    Attributes:
        served: what users were last served; the worker asks it before, and tells it after, each batch.
        quality: of the slates that would have been, in the whole log.
        watches: what is watched for lasting changes, in the partitions owned here.
    """

    def __init__(
        self,
        settings: MeasureSettings,
        sources: Sequence[str],
        *,
        attribution: Attribution | None = None,
    ) -> None:
        self.served = Served(settings.served_cache_users, settings.k)
        self.quality = Quality()
        self._k = settings.k
        self._accumulator = MetricAccumulator(settings, sources)
        self._attribution = attribution
        self._outcomes = Outcomes(settings)
        self._drift = DriftMonitor(settings.drift_delta)
        self._served_watch = Watch(SERVED_HIT_RATE, self._drift.test, self._drift.update)
        self.watches = Watches(settings.drift_delta, {SERVED_HIT_RATE: self._served_watch})
        self._unreadable: Counter[TopicPartition] = Counter()
        self._position: dict[TopicPartition, int] = {}
        self._owned_impressions: set[int] = set()
        self._followed: set[TopicPartition] = set()
        self._left_out_said: set[tuple[str, str, str]] = set()
        self._unknown_types: set[str] = set()
        self._live_seconds = settings.live_seconds
        self._next_outcomes = float("-inf")
        self._catalogue_items = 0.0
        self._told: dict[str, set[NamedFigure]] = {}

    def on_batch(
        self,
        span: Span,
        offsets: NDArray[np.int64],
        broker_ts: NDArray[np.int64],
        *,
        served: NDArray[np.int32],
        popular: NDArray[np.int32],
        learned: LearnedLike,
    ) -> None:
        """Measure n events of an owned partition, in log order.

        Redelivered events are counted once; those learned before they were served are not counted.

        Args:
            span: their positions.
            offsets: [n], ascending.
            broker_ts: [n], ms.
            served: [n], `Served.ranks` from before the batch's own slates were put.
            popular: [n], `Served.popular_ranks` from then.
            learned: what the engine said; its sample is of events learned now, so it is never counted twice.
        """
        tp = span.tp
        position = self._position.get(tp, 0)
        self._position[tp] = max(span.next, position)
        # What was learned before it was served (by the follower, at a hand-over) is no test: its slates knew it.
        known = len(offsets) - learned.n_learned - learned.n_repeated - learned.n_ignored
        first = max(known, int(np.searchsorted(offsets, position)))
        self._add_served(tp, broker_ts, served, popular, first)
        if len(learned.fresh.at):
            self._add_fresh(tp, broker_ts, learned.fresh)
        if len(learned.rated.at):
            self._add_rated(tp, broker_ts, learned.rated)
        read = span.next - span.start
        self.add(*tp, "events_learned", learned.n_learned, read)
        self.add(*tp, "events_repeated", learned.n_repeated, read)
        self.add(*tp, "events_ignored", learned.n_ignored, read)
        self.add(*tp, "events_no_interest", len(learned.no_interest), read)
        self.add(*tp, "evicted_users", learned.evicted_users, read)
        self.add(*tp, "evicted_items", learned.evicted_items, read)

    def on_judged(self, fresh: JudgedLike, broker_ts: NDArray[np.int64]) -> None:
        """What was judged of n events as they were learned, in a partition owned or followed; times [n] in ms."""
        self.quality.add((fresh.rank > 0) & (fresh.rank <= self._k), broker_ts[fresh.at])

    def on_unknown_types(self, span: Span, counts: Mapping[str, int], n_events: int) -> None:
        """Events of a batch of so many, by types that are not in the table; the first of each type is logged."""
        for event_type, n in counts.items():
            self._accumulator.add_unknown_type(*span.tp, event_type, n, n_events)
            if event_type in self._unknown_types or len(self._unknown_types) == MAX_UNKNOWN_TYPES:
                continue
            self._unknown_types.add(event_type)
            logs.get("learn").warning(
                "an event type that is not in engine.event_types is learned as interest of weight 1; more of it is "
                "only counted",
                event_type=event_type,
                fix="say what it means in [engine.event_types.NAME]: docs/event-types.md",
            )

    def on_written(
        self,
        span: Span,
        broker_ts: NDArray[np.int64],
        now_ms: float,
        *,
        written: int,
        stale: int,
        items: int = 0,
        only_index_items: int = 0,
    ) -> None:
        """Record that the slates of a batch are readable.

        Args:
            span: of the batch.
            broker_ts: [n], ms, of its events.
            now_ms: when Redis had answered, ms since the epoch.
            written: slates written.
            stale: slates not written because Redis held newer ones.
            items: items in the slates.
            only_index_items: those that only the vector index had found.
        """
        tp = span.tp
        self._accumulator.add_freshness(*tp, broker_ts, float(now_ms))
        self.add(*tp, "slates_written", written, len(broker_ts))
        self.add(*tp, "slates_stale", stale, written + stale)
        self.add(*tp, "index_only_items", only_index_items, items)

    def on_dead_letters(self, span: Span, reasons: Sequence[str], broker_ts: Sequence[int]) -> None:
        """Messages of a batch that could not be read: the reason and the broker's timestamp (ms) of each."""
        self._unreadable[span.tp] += len(reasons)
        for reason, ts in zip(reasons, broker_ts, strict=True):
            self._accumulator.add_dead_letter(span.topic, span.partition, reason, ts)

    def on_read(self, span: Span, n_records: int) -> None:
        """A batch of so many records, good or bad."""
        self.add(span.topic, span.partition, "records_read", n_records, n_records)
        self.watches.add("dead_letters", spread(self._unreadable.pop(span.tp, 0), n_records))

    def on_refused(self, span: Span, lost: Mapping[TopicName, int]) -> None:
        """Records made of a batch that Kafka refused for good, by the topic they were for."""
        for topic, n in lost.items():
            self._accumulator.add_refused(span.topic, span.partition, topic, n)

    def on_left_out(self, span: Span, parts: Sequence[LeftOut]) -> None:
        """Parts of a batch's records that were unusable; the first of each kind is logged."""
        for (_, broker_ts), n in Counter((part.offset, part.broker_ts) for part in parts).items():
            self._accumulator.add_left_out(span.topic, span.partition, n, broker_ts)
        for part in parts:
            kind = (span.topic, part.field, part.reason)
            if kind not in self._left_out_said:
                self._left_out_said.add(kind)
                logs.get("ingest").warning(
                    "an unusable part of a record was omitted; more of the kind are only counted",
                    record=f"{span.topic}/{span.partition}/{part.offset}",
                    part=part.field or "all but that it hides the item",
                    reason=part.reason,
                )

    def add(self, topic: str, partition: int, metric: str, numerator: float, denominator: float) -> None:
        """Add to a metric without labels (`series.PLAIN`), in the partition's present window.

        Raises:
            KeyError: there is no such metric.
        """
        self._accumulator.add(topic, partition, metric, numerator, denominator)

    def time_stage(self, span: Span, stage: str, seconds: float, events: int) -> None:
        """A batch of so many events took so long in a stage (one of `series.STAGES`, else KeyError)."""
        self._accumulator.time_stage(span.topic, span.partition, stage, seconds, events)

    def set_lag(self, topic: str, partition: int, lag: int) -> None:
        """Records of an owned partition that are not committed yet, as of now."""
        self._accumulator.gauges.set("partition_lag", lag, topic=topic, partition=str(partition))
        self.add(topic, partition, "lag", lag, 1)

    def set_follower_lags(self, lags: Mapping[TopicPartition, int]) -> None:
        """Records of each partition that is followed (topic, partition), and not learned yet, as of now."""
        for topic, partition in self._followed - set(lags):
            self._accumulator.gauges.drop("follower_lag", topic=topic, partition=str(partition))
        for (topic, partition), lag in lags.items():
            self._accumulator.gauges.set("follower_lag", lag, topic=topic, partition=str(partition))
        self._followed = set(lags)

    def set_engine(self, stats: Mapping[str, float], *, catalogue_items: float) -> None:
        """Figures of the engine's state, as of now; `catalogue_items` is what coverage is a share of."""
        self._catalogue_items = catalogue_items
        for stat, value in stats.items():
            self._accumulator.gauges.set("engine", value, stat=stat)

    def set_told(self, what: str, figures: Mapping[NamedFigure, float]) -> None:
        """Figures of the whole log that one worker tells, by metric and labels; those that are gone are dropped.

        Args:
            what: they are of: what others are of stays.
            figures: all of them.
        """
        for metric, labels in self._told.get(what, set()) - figures.keys():
            self._accumulator.gauges.drop(metric, **dict(labels))
        for (metric, labels), value in figures.items():
            self._accumulator.gauges.set(metric, value, **dict(labels))
        self._told[what] = set(figures)

    def assign(self, topic: str, partition: int) -> None:
        """A partition is owned from now on."""
        if topic == TOPIC and self._attribution is not None:
            self._owned_impressions.add(partition)
            self._outcomes.assign(self._attribution, partition)

    def release(self, topic: str, partition: int) -> list[MetricPoint]:
        """A partition is no longer owned: its last points."""
        points = self._accumulator.windows.release(topic, partition)
        if topic == TOPIC and self._attribution is not None:
            points.extend(self._outcomes.due(self._attribution, [partition], self._catalogue_items))
            self._owned_impressions.discard(partition)
        self._position.pop(TopicPartition(topic, partition), None)
        self._accumulator.gauges.drop("partition_lag", topic=topic, partition=str(partition))
        return points

    def due_points(self, now: float, *, everything: bool = False) -> list[MetricPoint]:
        """Points to write now: of windows that are over at once, of others every `measure.live_seconds`.

        Args:
            now: seconds of a clock that does not go back.
            everything: whether to return unfinished windows too, as the worker stops.
        """
        points = self._accumulator.windows.due(now, everything=everything)
        if self._attribution is not None and (everything or now >= self._next_outcomes):
            self._next_outcomes = now + self._live_seconds
            for scenario, ts_ms, clicked, shown in self._outcomes.settled(
                self._attribution, self._owned_impressions
            ):
                self.watches.add(f"ctr.{scenario}", spread(clicked, shown), ts_ms)
            points.extend(
                self._outcomes.due(self._attribution, self._owned_impressions, self._catalogue_items)
            )
        return points

    def watch(self, metric: str, values: NDArray[np.float64], broker_ts: NDArray[np.int64]) -> None:
        """Watch a metric of `watches.WATCHED` for a lasting change: [n] values from 0 to 1, and their times in ms."""
        if len(values):
            self.watches.add(metric, values, int(broker_ts[-1]))

    def take_changes(self) -> list[Change]:
        """What has changed for good since the last call, in the partitions owned here."""
        return self.watches.take()

    def live(self) -> dict[str, float]:
        """Last values by field name (`points.field`): ratios of the recent windows, counts since the start, gauges.

        What was never measured is not there. Also `freshness_ms_p50` and `freshness_ms_p99`.
        """
        self._refresh_gauges()
        values = self._accumulator.live()
        for metric, labels, above, below in self._recent_outcomes():
            values[field(metric, labels)] = above / below
        return values

    def figures(self) -> Figures:
        """Everything since the start, for Prometheus."""
        self._refresh_gauges()
        figures = self._accumulator.figures()
        if self._attribution is not None:
            for metric, labels, above, below in self._outcomes.totals(self._attribution):
                figures.sums.setdefault(metric, []).append((labels, above, below))
        figures.gauges["coverage_recent"] = [
            (labels, above / below)
            for metric, labels, above, below in self._recent_outcomes()
            if metric == "coverage_recent"
        ]
        return figures

    def _add_served(
        self,
        tp: TopicPartition,
        broker_ts: NDArray[np.int64],
        served: NDArray[np.int32],
        popular: NDArray[np.int32],
        first: int,
    ) -> None:
        # Beside each other on the same events: what is not known of one counts for neither.
        known = (served != UNKNOWN) & (popular != UNKNOWN)
        ranks = np.full((len(served), 2), UNKNOWN, np.int32)
        ranks[:, 0], ranks[:, 1] = np.where(known, served, UNKNOWN), np.where(known, popular, UNKNOWN)
        row = self._accumulator.series.row("served_known")
        for window, a, b in self._accumulator.windows.split(*tp, broker_ts, first):
            add_ranks(window.sums, self._accumulator.series.served, ranks, k=self._k, first=a, last=b)
            window.sums[row, 0] += np.count_nonzero(known[a:b])
            window.sums[row, 1] += b - a
        judged = ranks[first:, 0]
        judged = judged[judged != UNKNOWN]
        if len(judged):
            hits = ((judged > 0) & (judged <= self._k)).astype(np.float64)
            self._watch_served(tp, hits, int(broker_ts[-1]))

    def _watch_served(self, tp: TopicPartition, hits: NDArray[np.float64], ts_ms: int) -> None:
        found = list(self._served_watch.add(hits, ts_ms))
        sums = self._accumulator.windows.sums(*tp)
        for direction, row in self._accumulator.series.drift.items():
            sums[row, 0] += sum(change.direction == direction for change in found)
            sums[row, 1] += len(hits)
        for change in found:
            self.watches.tell(change)

    def _add_fresh(self, tp: TopicPartition, broker_ts: NDArray[np.int64], fresh: JudgedLike) -> None:
        ranks = np.ascontiguousarray(
            np.column_stack((fresh.rank, fresh.popularity, fresh.rank_by_source)), np.int32
        )
        hits = (fresh.rank > 0) & (fresh.rank <= self._k)
        self.watch("fresh_hit_rate", hits.astype(np.float64), broker_ts[fresh.at])
        row = self._accumulator.series.row("index_only_hits")
        for window, a, b in self._accumulator.windows.split(*tp, broker_ts[fresh.at]):
            add_ranks(window.sums, self._accumulator.series.fresh, ranks, k=self._k, first=a, last=b)
            window.sums[row, 0] += np.count_nonzero(hits[a:b] & fresh.only_index[a:b])
            window.sums[row, 1] += np.count_nonzero(hits[a:b])

    def _add_rated(self, tp: TopicPartition, broker_ts: NDArray[np.int64], rated: RatedLike) -> None:
        errors = rated.expected.astype(np.float64) - rated.values
        rows = self._accumulator.series.row("rating_mse"), self._accumulator.series.row("rating_mae")
        for window, a, b in self._accumulator.windows.split(*tp, broker_ts[rated.at]):
            for row, sizes in zip(rows, (errors[a:b] ** 2, np.abs(errors[a:b])), strict=True):
                window.sums[row] += sizes.sum(), b - a

    def _recent_outcomes(self) -> Iterator[tuple[str, dict[str, str], float, float]]:
        if self._attribution is not None:
            outcomes = self._outcomes.recent(
                self._attribution, self._owned_impressions, self._catalogue_items
            )
            yield from (outcome for outcome in outcomes if outcome[3])

    def _refresh_gauges(self) -> None:
        gauges = self._accumulator.gauges
        gauges.set("served_hit_rate_adwin", self._drift.mean)
        gauges.set("served_cache_evictions", self.served.evictions)
        gauges.set("metric_points_dropped", self._accumulator.windows.dropped)
