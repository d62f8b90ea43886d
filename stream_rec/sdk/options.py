"""How the clients talk: timeouts, connections, retries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from stream_rec.sdk.retries import Retries


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Bounds of a client.

    Attributes:
        connect_seconds: until a connection stands.
        timeout_seconds: until an answer comes, once a request is sent; longer than the `timeout` of reads.
        max_connections: open at a time; a further request waits for one.
        retries: of requests that were not answered, or by 429, 502, 503 or 504.
    """

    connect_seconds: float = 2.0
    timeout_seconds: float = 15.0
    max_connections: int = 32
    retries: Retries = field(default_factory=Retries)

    def until(self, waits_seconds: float) -> httpx.Timeout:
        """How long an answer is waited for that the server gives after waiting so long."""
        return httpx.Timeout(self.timeout_seconds + waits_seconds, connect=self.connect_seconds)

    def of_httpx(self, key: str) -> dict[str, Any]:
        """Arguments of its clients."""
        return {
            "headers": {
                "content-type": "application/json",
                **({"authorization": f"Bearer {key}"} if key else {}),
            },
            "timeout": self.until(0.0),
            "limits": httpx.Limits(
                max_connections=self.max_connections, max_keepalive_connections=self.max_connections
            ),
        }
