"""What is seen of an installation at one moment, and of the last minutes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stream_rec.bus.lag import PartitionLag
from stream_rec.store.last_values import LastValues
from stream_rec.telemetry.points import field as field_name
from stream_rec.telemetry.points import labels_of
from stream_rec.telemetry.series import POPULAR_LIST, SLATE

KEPT_SAMPLES = 600
"""Five minutes, at two a second."""
RATE_SECONDS = 4.0
"""Rates are taken over this long: commits come once a second or so."""
SILENT_SECONDS = 10.0
"""A worker that has not reported for so long is taken for gone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at Redis and Kafka. Figures that are not known are nan.

    Attributes:
        at: when, seconds since the epoch.
        workers: what each live worker last reported.
        lags: of every partition that workers read.
        events_per_s: records of `events` that workers commit.
        slates_per_s: slates that workers write.
        trouble: why the rest is of the look before; empty = all is well.
    """

    at: float
    workers: Mapping[str, LastValues] = field(default_factory=dict)
    lags: Sequence[PartitionLag] = ()
    events_per_s: float = math.nan
    slates_per_s: float = math.nan
    trouble: str = ""

    @property
    def lag(self) -> int:
        """Records that workers have still to handle."""
        return sum(each.lag for each in self.lags)

    @property
    def n_committed(self) -> int:
        """Records of `events` that workers have handled, since the log began."""
        return sum(each.committed or 0 for each in self.lags if each.topic == "events")

    @property
    def n_slates(self) -> float:
        """Slates written since the workers started."""
        return self.total("slates_written")

    @property
    def n_dead_letters(self) -> int:
        """Messages that could not be read, since the workers started."""
        return int(sum(self.by_label("dead_letters", "reason").values()))

    def total(self, metric: str) -> float:
        """A count or gauge without labels, of all workers together."""
        return sum(each.values.get(metric, 0.0) for each in self.workers.values())

    def worst(self, metric: str) -> float:
        """The largest of the workers'."""
        return max(
            (each.values[metric] for each in self.workers.values() if metric in each.values), default=math.nan
        )

    def mean(self, metric: str, labels: Mapping[str, str]) -> float:
        """A ratio over all workers, each counting by the slates it has written."""
        name, above, below = field_name(metric, labels), 0.0, 0.0
        for each in self.workers.values():
            if name in each.values:
                weight = max(1.0, each.values.get("slates_written", 0.0))
                above, below = above + weight * each.values[name], below + weight
        return above / below if below else math.nan

    def by_label(self, metric: str, label: str) -> dict[str, float]:
        """A count or gauge by one of its labels, of all workers together; greatest first."""
        found: dict[str, float] = {}
        for each in self.workers.values():
            for name, value in each.values.items():
                labels = labels_of(name, metric)
                if labels is not None and label in labels and value:
                    found[labels[label]] = found.get(labels[label], 0.0) + value
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))

    def told(self, metric: str, label: str, **others: str) -> dict[str, float]:
        """A gauge that one worker tells for all, by one of its labels; who reported last counts."""
        for each in sorted(self.workers.values(), key=lambda each: -each.created_ts):
            found = {
                labels[label]: value
                for name, value in each.values.items()
                if (labels := labels_of(name, metric)) and others.items() <= labels.items()
            }
            if found:
                return found
        return {}

    def hit_rates(self, k: int) -> tuple[float, float]:
        """Served hit-rate at k, and that of the popular list on the same events; recently."""
        served = self.mean("served_hit_rate", {"source": SLATE, "k": str(k)})
        return served, self.mean("served_hit_rate", {"source": POPULAR_LIST, "k": str(k)})

    def owners(self) -> dict[tuple[str, int], str]:
        """The worker that serves each partition, by topic and number; who reported last counts."""
        found: dict[tuple[str, int], str] = {}
        for worker, each in sorted(self.workers.items(), key=lambda pair: pair[1].created_ts):
            for name in each.values:
                if labels := labels_of(name, "partition_lag"):
                    found[labels["topic"], int(labels["partition"])] = worker
        return found

    def silent(self) -> list[str]:
        """Workers that have not reported for a while."""
        return [name for name, each in self.workers.items() if self.at - each.created_ts > SILENT_SECONDS]


class Recent:
    """The last looks, KEPT_SAMPLES at most. One thread adds; others read."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)

    def add(self, at: float, workers: Mapping[str, LastValues], lags: Sequence[PartitionLag]) -> None:
        """A look, with its rates."""
        now = Sample(at, workers, lags)
        before = self._before(at - RATE_SECONDS)
        if before is not None and at > before.at:
            seconds = at - before.at
            events = max(0.0, (now.n_committed - before.n_committed) / seconds)
            slates = max(0.0, (now.n_slates - before.n_slates) / seconds)
            now = Sample(at, workers, lags, events, slates)
        self._samples.append(now)

    def note(self, trouble: str) -> None:
        """A look that failed: the figures stay as they are, and say how old they are."""
        last = self.last
        self._samples.append(
            Sample(last.at, last.workers, last.lags, last.events_per_s, last.slates_per_s, trouble)
        )

    @property
    def last(self) -> Sample:
        """The latest; an empty one before the first."""
        return self._samples[-1] if self._samples else Sample(0.0)

    def all(self) -> list[Sample]:
        """All of them, oldest first."""
        return list(self._samples)

    def _before(self, at: float) -> Sample | None:
        """The latest from before that time; else the oldest."""
        found = None
        for each in reversed(self._samples):
            if not each.trouble:
                found = each
                if each.at <= at:
                    break
        return found


def known(values: Iterable[float]) -> list[float]:
    """Those that were measured."""
    return [value for value in values if not math.isnan(value)]
