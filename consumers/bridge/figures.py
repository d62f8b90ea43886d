"""What `/metrics` shows of a bridge."""

from __future__ import annotations

from collections.abc import Callable

from stream_rec.consumers.bridge.bridge import Bridge
from stream_rec.telemetry.prometheus import Figures


def figures_of(bridge: Bridge) -> Figures:
    """Its counts and gauges at this moment; from any thread."""
    figures = Figures()
    for one in bridge.inputs.values():
        topic = {"topic": one.topic}
        figures.sums.setdefault("bridge_messages", []).append((topic, one.n_messages, one.n_messages))
        for name, label, counts in (
            ("bridge_records", "to", one.records),
            ("bridge_left_out", "reason", one.left_out),
            ("bridge_parts_left_out", "field", one.parts_left_out),
            ("bridge_dead_letters", "reason", one.dead_letters),
        ):
            rows = [
                ({**topic, label: key}, float(n), float(one.n_messages)) for key, n in counts.copy().items()
            ]
            figures.sums.setdefault(name, []).extend(rows)
    figures.gauges["bridge_lag"] = [
        ({"topic": topic, "partition": str(partition)}, n) for (topic, partition), n in bridge.lag().items()
    ]
    figures.gauges["bridge_uncommitted"] = [({}, bridge.uncommitted)]
    figures.gauges["bridge_blocked_seconds"] = [({}, bridge.blocked_seconds)]
    return figures


def together(first: Callable[[], Figures], second: Callable[[], Figures]) -> Callable[[], Figures]:
    """Figures of two that have no metric in common."""

    def both() -> Figures:
        a, b = first(), second()
        return Figures({**a.sums, **b.sums}, {**a.gauges, **b.gauges}, {**a.durations, **b.durations})

    return both
