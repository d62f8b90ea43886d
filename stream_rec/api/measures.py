"""What the server counts, for Prometheus; docs/http.md lists it.

Failures are there from the start, as 0: `rate` does not see what a counter has when it is first scraped, so an outage
whose counters begin with it would be seen late, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from stream_rec.rerank import OUTCOMES

FAILURES = (500, 503, 504)
"""Statuses of answers that are the server's fault, or that of one behind it."""
TOPICS = ("events", "impressions", "items", "vectors")
FATES = ("accepted", "refused", "queue-full", "unavailable")
_SECONDS = (0.001, 0.002, 0.004, 0.007, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

NAMES = (
    "stream_rec_http_requests",
    "stream_rec_http_seconds",
    "stream_rec_http_records",
    "stream_rec_http_waiting",
    "stream_rec_live_events_learned",
    "stream_rec_live_records_behind",
    "stream_rec_live_reranked",
)


class Measures:
    """Counters of one server, in a registry of their own.

    Attributes:
        records: by topic, and what became of them: `accepted`, or the kind of problem.
        n_waiting: requests that are being answered; read when the figures are.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        own = self._registry
        requests, seconds, records, waiting, learned, behind, reranked = NAMES
        self._requests = Counter(requests, "Requests answered", ("method", "route", "status"), registry=own)
        self._seconds = Histogram(
            seconds,
            "From the request's head to its answer",
            ("route",),
            buckets=_SECONDS,
            registry=own,
        )
        self.records = Counter(records, "Records that were sent here", ("topic", "fate"), registry=own)
        for topic in TOPICS:
            for fate in FATES:
                self.records.labels(topic, fate)
        self.n_waiting = 0
        Gauge(waiting, "Requests that are being answered", registry=own).set_function(lambda: self.n_waiting)
        self._learned = Gauge(learned, "Events that a live server's engine knows", ("tenant",), registry=own)
        self._behind = Gauge(behind, "Records of the partition furthest behind", ("tenant",), registry=own)
        self._reranked = Gauge(
            reranked, "Slates that a model was to re-rank, by outcome", ("tenant", "outcome"), registry=own
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        which = (method, route, status)
        found = self._known.get(which)
        if found is None:  # routes, their methods and statuses are few
            for failure in FAILURES:
                self._requests.labels(method, route, failure)
            found = self._known[which] = (
                self._requests.labels(method, route, status),
                self._seconds.labels(route),
            )
        found[0].inc()
        found[1].observe(seconds)

    def follow(
        self,
        tenant: str,
        learned: Callable[[], float],
        behind: Callable[[], float],
        reranked: Callable[[str], float],
    ) -> None:
        """Show how a tenant's engine fares, as these say whenever it is asked for; "" = the server's own tenant."""
        self._learned.labels(tenant).set_function(learned)
        self._behind.labels(tenant).set_function(behind)
        for outcome in OUTCOMES:
            self._reranked.labels(tenant, outcome).set_function(partial(reranked, outcome))

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
