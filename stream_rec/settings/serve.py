"""The branch of the HTTP server."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stream_rec.settings.branch import TEN_YEARS, Branch

_HOST = re.compile(r"(?!.*[^.]{64})[A-Za-z0-9_:%-]*(\.[A-Za-z0-9_:%-]+)*\.?")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9_.\[\]:-]+")


def host_name(name: str) -> str:
    """A host's name or address, or nothing."""
    if not _HOST.fullmatch(name):
        raise ValueError("give a host's name or address, or nothing for all addresses")
    return name


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError("an origin is a scheme, a host and perhaps a port: https://shop.example")
    return text


_TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_KEYS_OF_OURS = frozenset(
    {"rec", "list", "popular", "trending", "new", "similar", "removed", "marker"}
) | frozenset({"forgotten", "metrics", "workers", "scenarios", "api-keys"})
"""What Redis keys begin with (docs/redis.md): those of a tenant called so could be taken for another's."""


def is_tenant(name: str) -> bool:
    """Can it be the name of a tenant?"""
    return bool(_TENANT.fullmatch(name)) and name not in _KEYS_OF_OURS


def _tenant(name: str) -> str:
    if not is_tenant(name):
        raise ValueError(
            "a tenant's name has 1 to 32 lower-case letters, digits and '-', and is no name of a Redis key of ours"
        )
    return name


class ServeSettings(Branch):
    """HTTP."""

    host: Annotated[str, AfterValidator(host_name)] = Field(
        "127.0.0.1", description="address that `stream-rec serve` listens on; empty = all"
    )
    port: int = Field(8474, ge=0, le=65535, description="its port; 0 = any free port")
    live: bool = Field(
        False,
        description="follow every topic and answer from the engine, at the time of the request (docs/http.md)",
    )
    tenants: tuple[Annotated[str, AfterValidator(_tenant)], ...] = Field(
        (),
        max_length=100,
        description="further tenants that this server answers, by their keys (`stream-rec tenant create NAME`)",
    )
    max_live_engines: int = Field(
        4,
        ge=1,
        le=101,
        description="engines that a live server may hold, one for each tenant; each needs a worker's memory",
    )
    live_within_records: int = Field(
        1_000,
        ge=0,
        le=1 << 62,
        description="a live server is ready while no partition's learning is further from its end",
    )
    max_live_waiting: int = Field(
        128,
        ge=1,
        le=100_000,
        description="requests that wait for the engine of a live server; one more is refused with 503",
    )
    previews: bool = Field(
        True,
        description="whether scenarios are tried out here: each time in a process with a worker's memory",
    )
    max_engine_waiting: int = Field(
        4,
        ge=0,
        le=1000,
        description="previews and such that wait while another has an engine of its own; one more is refused with 503",
    )
    max_connections: int = Field(1000, ge=1, le=100_000, description="connections at a time, at most")
    max_requests: int = Field(
        256, ge=1, le=100_000, description="requests answered at a time; one more is refused with 503"
    )
    max_body_bytes: int = Field(
        1_048_576, ge=1024, le=100_000_000, description="largest body of a request; a larger one is refused"
    )
    max_batch: int = Field(1000, ge=1, le=100_000, description="events, impressions or items of one request")
    timeout_seconds: float = Field(
        10.0, ge=0.1, le=3600, description="a request that is not answered by then is ended with 504"
    )
    slow_timeout_seconds: float = Field(
        60.0,
        ge=0.1,
        le=3600,
        description="the same for what reads the log: scenarios, previews, forget, patch, lag",
    )
    publish_timeout_seconds: float = Field(
        5.0,
        ge=0.1,
        le=3600,
        description="a record that Kafka has not acknowledged by then is answered with 503",
    )
    keep_alive_seconds: float = Field(
        5.0, ge=1, le=3600, description="an idle connection is closed after this"
    )
    drain_seconds: float = Field(
        8.0, ge=0, le=3600, description="at SIGTERM, requests that are being answered get this long"
    )
    cors_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        (),
        max_length=100,
        description="origins whose pages may call this server, e.g. 'https://shop.example'",
    )
    key_seconds: float = Field(
        5.0,
        ge=0,
        le=3600,
        description="keys are read from Redis so often: a revoked one works no longer than this",
    )
    visitor_seconds: float = Field(
        30 * 86_400.0, ge=1, le=TEN_YEARS, description="a visitor token of a browser key is good for so long"
    )
    max_shown_later: int = Field(
        10_000, ge=1, le=1_000_000, description="impressions that wait for their `shown=after:N`, at most"
    )
    access_log: Literal["all", "failed", "off"] = Field(
        "all",
        description="requests that are logged, without ids of users: all, those not answered by 2xx, or none",
    )
