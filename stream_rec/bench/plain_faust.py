"""The yardstick of `bench pipeline`: an ordinary Faust agent that does nothing with each event.

    python -m stream_rec.bench.plain_faust BOOTSTRAP TOPIC N_EVENTS

Reads the topic from its beginning in a group of its own, and prints one line of JSON when it has had N_EVENTS:
`{"events": ..., "seconds": ...}`, the seconds from the first event to the last.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import uuid
from typing import Any

import faust

from stream_rec.clock import SystemClock


def plain_app(bootstrap: str) -> faust.App:
    """Faust with its own Kafka transport, raw bytes, and the settings that docs/transport.md recommends."""
    return faust.App(
        f"plain-{uuid.uuid4().hex[:8]}",
        broker=f"kafka://{bootstrap}",
        broker_session_timeout=6,
        broker_heartbeat_interval=1,
        broker_request_timeout=20,
        broker_rebalance_timeout=10,
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="plain-faust-"),  # its default is the working folder
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
    )


async def consume(bootstrap: str, topic: str, n_events: int) -> float:
    """Have n events; seconds from the first to the last."""
    app, clock = plain_app(bootstrap), SystemClock()
    seconds: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def nothing(stream: Any) -> None:
        n, began = 0, 0.0
        async for _ in stream:
            if not n:
                began = clock.monotonic()
            n += 1
            if n == n_events:
                seconds.set_result(clock.monotonic() - began)

    app.agent(app.topic(topic))(nothing)
    async with app:
        return await seconds


def main() -> None:
    """Run once and print the result."""
    bootstrap, topic, n_events = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seconds = asyncio.run(consume(bootstrap, topic, n_events))
    print(json.dumps({"events": n_events, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
