"""The numbered rows of every window: which metric with which labels is summed where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RANK_METRICS = ("hit_rate", "mrr", "ndcg")
"""What is summed per judge of a ranking, in the order of the rows."""
SLATE, POPULAR_LIST = "slate", "popular_list"
"""Sources of the served figures."""
BLENDED, BASELINE = "blended", "baseline"
"""Sources of the fresh figures, besides the engine's own."""
STAGES = ("ingest", "learn", "index", "recommend", "encode", "write", "measure")
FRESHNESS_LIMITS_MS = np.array([10.0, 25.0, 60.0, 100.0, 250.0, 1000.0, 5000.0])
MAX_REASONS = 24
"""Reasons of dead letters that get a label of their own; the rest are counted as OTHER_REASON."""
OTHER_REASON = "other"
MAX_UNKNOWN_TYPES = 16
"""Event types that are not in the settings' table and get a label of their own; the rest are counted as OTHER_TYPE."""
OTHER_TYPE = "other"
REFUSED_BY = ("slates", "dead-letters", "other")
"""Topics that records are published to for a batch; the last stands for all others."""

_MAX_TYPE_BYTES = 64

PLAIN = (
    "served_known",
    "index_only_hits",
    "rating_mse",
    "rating_mae",
    "index_only_items",
    "freshness_ms",
    "lag",
    "index_staleness",
    "events_learned",
    "events_repeated",
    "events_ignored",
    "events_no_interest",
    "evicted_users",
    "evicted_items",
    "misrouted",
    "records_read",
    "parts_left_out",
    "slates_written",
    "slates_stale",
    "slates_rewritten",
)
"""Metrics without labels."""


class Series:
    """Rows of the sums, fixed when the worker starts; only some get their names later.

    These are the reasons of dead letters, and unknown event types.

    Args:
        k: cut-off of the ranking metrics.
        sources: the engine's, in the order of `Judged.rank_by_source`; those without a name are not written.
    """

    def __init__(self, k: int, sources: Sequence[str]) -> None:
        self.names: list[tuple[str, dict[str, str]] | None] = []
        self.served = self._judges("served", (SLATE, POPULAR_LIST), k)
        self.fresh = self._judges("fresh", (BLENDED, BASELINE, *sources), k)
        self._plain = {name: self._add(name) for name in PLAIN}
        self.within = len(self.names)
        for limit in FRESHNESS_LIMITS_MS:
            self._add("freshness_within", ms=f"{limit:g}")
        self.stages = {stage: self._add("stage_us", stage=stage) for stage in STAGES}
        self.drift = {
            direction: self._add("drift_alarms", direction=direction) for direction in ("drop", "rise")
        }
        self._refused = {to: self._add("records_refused", to=to) for to in REFUSED_BY}
        self._reasons = {OTHER_REASON: self._add("dead_letters", reason=OTHER_REASON)}
        self._free_reasons = len(self.names)
        self.names.extend([None] * (MAX_REASONS - 1))
        self._types = {OTHER_TYPE: self._add("unknown_event_types", type=OTHER_TYPE)}
        self._free_types = len(self.names)
        self.names.extend([None] * (MAX_UNKNOWN_TYPES - 1))

    def __len__(self) -> int:
        """Rows."""
        return len(self.names)

    def row(self, metric: str) -> int:
        """Row of a metric without labels.

        Raises:
            KeyError: there is none of that name.
        """
        return self._plain[metric]

    def reason(self, reason: str) -> int:
        """Row of the dead letters with a reason; a new reason takes a row while there are free ones."""
        row = self._reasons.get(reason)
        if row is not None:
            return row
        if len(self._reasons) == MAX_REASONS:
            return self._reasons[OTHER_REASON]
        row = self._free_reasons + len(self._reasons) - 1
        self.names[row] = ("dead_letters", {"reason": reason})
        self._reasons[reason] = row
        return row

    def unknown_type(self, name: str) -> int:
        """Row of the events of a type that is not in the table; a new one takes a row while there are free ones."""
        row = self._types.get(name)
        if row is not None:
            return row
        if len(self._types) == MAX_UNKNOWN_TYPES or len(name.encode()) > _MAX_TYPE_BYTES:
            return self._types[OTHER_TYPE]
        row = self._free_types + len(self._types) - 1
        self.names[row] = ("unknown_event_types", {"type": name})
        self._types[name] = row
        return row

    def refused(self, to: str) -> int:
        """Row of the records that a topic refused."""
        return self._refused.get(to, self._refused[REFUSED_BY[-1]])

    def _add(self, metric: str, **labels: str) -> int:
        self.names.append((metric, labels))
        return len(self.names) - 1

    def _judges(self, kind: str, sources: Sequence[str], k: int) -> int:
        """Three rows per source, in the order of the kernel; returns the first."""
        first = len(self.names)
        for source in sources:
            for metric in RANK_METRICS:
                if source:
                    self._add(f"{kind}_{metric}", source=source, k=str(k))
                else:
                    self.names.append(None)
        return first
