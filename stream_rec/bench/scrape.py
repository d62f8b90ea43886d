"""A worker's counters over HTTP, as Prometheus reads them."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from stream_rec.telemetry.metric_table import PREFIX

_TIMEOUT_SECONDS = 10.0


class Scrape:
    """All samples of one moment.

    Args:
        port: of the worker's /metrics on 127.0.0.1.

    Raises:
        OSError: nobody answers there.
    """

    def __init__(self, port: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_SECONDS) as page:
            text = page.read().decode()
        families = list(text_string_to_metric_families(text))
        self._samples = [sample for family in families for sample in family.samples]
        self._gauges = [sample for family in families if family.type == "gauge" for sample in family.samples]

    def sum(self, series: str, **labels: str) -> float:
        """Of a series (named without our prefix) over all label sets that hold `labels`; 0 if there is none."""
        return sum(self._values(series, labels))

    def count(self, series: str, **labels: str) -> int:
        """How many such label sets there are."""
        return len(self._values(series, labels))

    def gauges(self) -> dict[str, float]:
        """Every gauge, by name and labels."""
        return {
            f"{sample.name.removeprefix(PREFIX)}{sample.labels or ''}": sample.value
            for sample in self._gauges
        }

    def _values(self, series: str, labels: Mapping[str, str]) -> list[float]:
        wanted = labels.items()
        return [
            sample.value
            for sample in self._samples
            if sample.name == PREFIX + series and wanted <= sample.labels.items()
        ]
