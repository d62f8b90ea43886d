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
        timeout_seconds: until an answer comes, once a request is sent; what the server is asked to wait (`timeout` of
            reads, `wait` of `forget`) comes on top. Longer than its `serve.timeout_seconds`.
        slow_timeout_seconds: the same for scenarios, experiments, previews, `patch_item`, `forget` and `lag`. Longer
            than its `serve.slow_timeout_seconds`.
        max_connections: open at a time; a further request waits for one.
        retries: of requests that were not answered, or by 429, 502, 503 or 504.
    """

    connect_seconds: float = 2.0
    timeout_seconds: float = 15.0
    slow_timeout_seconds: float = 65.0
    max_connections: int = 32
    retries: Retries = field(default_factory=Retries)

    def until(self, waits_seconds: float, *, is_slow: bool) -> httpx.Timeout:
        """How long an answer is waited for, if the server waits so long before, and whether its route is slow."""
        seconds = self.slow_timeout_seconds if is_slow else self.timeout_seconds
        return httpx.Timeout(seconds + waits_seconds, connect=self.connect_seconds)

    def of_httpx(self, key: str) -> dict[str, Any]:
        """Arguments of its clients."""
        return {
            "headers": {
                "content-type": "application/json",
                **({"authorization": f"Bearer {key}"} if key else {}),
            },
            "timeout": self.until(0.0, is_slow=False),
            "limits": httpx.Limits(
                max_connections=self.max_connections, max_keepalive_connections=self.max_connections
            ),
        }
