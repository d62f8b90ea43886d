"""A bridge as a process of its own."""

from __future__ import annotations

import threading
from functools import partial

from stream_rec import logs
from stream_rec.consumers.bridge.bridge import Bridge
from stream_rec.consumers.bridge.figures import figures_of
from stream_rec.consumers.runtime import library_logs
from stream_rec.consumers.runtime.stop_signal import STOP
from stream_rec.settings import Settings
from stream_rec.telemetry.metrics_server import MetricsServer
from stream_rec.telemetry.prometheus import registry

READY_BLOCKED_SECONDS = 30.0
"""`/ready` fails while it has been waiting for a server for longer."""


def run(settings: Settings) -> None:
    """Bridge until SIGTERM or SIGINT, and be gone within five seconds then; `/metrics`, `/live` and `/ready` meanwhile.

    Raises:
        ConfigError: the operator must fix something.
        Unavailable: Kafka does not answer at the start.
    """
    STOP.install()
    library_logs.forward()
    stopping = threading.Event()
    bridge = Bridge(settings)
    metrics = MetricsServer(
        registry(partial(figures_of, bridge)),
        settings.measure.prometheus_host,
        settings.bridge.prometheus_port,
        {"/live": lambda: "", "/ready": partial(why_not_ready, bridge)},
    )
    STOP.on_stop(stopping.set)
    logs.get("bridge").info("bridging", inputs=", ".join(bridge.inputs), metrics=metrics.url)
    bridge.run(stopping)


def why_not_ready(bridge: Bridge) -> str:
    """Empty = it goes on; else for how long it has not."""
    seconds = bridge.blocked_seconds
    return "" if seconds < READY_BLOCKED_SECONDS else f"it has been waiting for a server for {seconds:.0f} s"
