"""What `store.url` points at: one Redis, a primary behind Sentinel, or a cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from redis.connection import parse_url

from stream_rec.errors import ConfigError
from stream_rec.settings import StoreSettings

Kind = Literal["single", "sentinel", "cluster"]

_SCHEME = re.compile(r"(redis|rediss|valkey|valkeys)(?:\+(sentinel|cluster))?://")
_SENTINELS_PORT = 26379
_REDIS_PORT = 6379
_FIX = (
    "set store.url to redis://HOST:PORT/DB, redis+sentinel://HOST:PORT,HOST:PORT/PRIMARY/DB or "
    "redis+cluster://HOST:PORT,HOST:PORT (rediss for TLS); a password goes into store.password, or percent-encoded "
    "into the URL"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is.

    Attributes:
        kind: way its servers are found.
        hosts: (host, port) of the server, of the sentinels, or of some cluster nodes.
        primary: name under which the sentinels monitor it.
        tls: whether all connections are encrypted.
        options: redis-py's, from the URL: database, user, password, `ssl_*` and other options of a connection.
        sentinel_options: user and password of the sentinels themselves.
    """

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    primary: str
    tls: bool
    options: dict[str, Any] = field(repr=False)
    sentinel_options: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, settings: StoreSettings) -> Address:
        """Read `store.url`.

        Raises:
            ConfigError: it is missing or wrong; the URL is not repeated, it may hold a password.
        """
        if not settings.url:
            raise ConfigError("store.url is empty", fix=_FIX)
        try:
            return _read(settings.url)
        except (ValueError, LookupError):
            raise ConfigError("store.url is no Redis URL", fix=_FIX) from None


def _read(url: str) -> Address:
    if url.startswith("unix://"):
        options = {k: v for k, v in parse_url(url).items() if k != "connection_class"}
        return Address("single", (), "", False, options, {})
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ValueError("scheme")
    kind: Kind = scheme[2] or "single"  # type: ignore[assignment]  # of the pattern's two words
    rest, _, query = url[scheme.end() :].partition("?")
    authority, _, path = rest.partition("/")
    login, _, listed = authority.rpartition("@")
    hosts = tuple(
        _host(one, _SENTINELS_PORT if kind == "sentinel" else _REDIS_PORT) for one in listed.split(",")
    )
    if kind == "single" and len(hosts) > 1:
        raise ValueError("hosts")
    primary, path = _primary(path) if kind == "sentinel" else ("", path)
    # The rest is in redis-py's own words, so redis-py reads it.
    plain = f"redis://{login}{'@' if login else ''}host/{path}{'?' if query else ''}{query}"
    options = {name: value for name, value in parse_url(plain).items() if name not in ("host", "port")}
    if path and not path.isdigit():
        raise ValueError("database")
    if kind == "cluster" and options.pop("db", 0):
        raise ConfigError("a Redis cluster has only the database 0", fix="remove the database from store.url")
    own = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    return Address(
        kind, hosts, primary, scheme[1] in ("rediss", "valkeys"), options, {k: v for k, v in own.items() if v}
    )


def _host(text: str, port: int) -> tuple[str, int]:
    """`host`, `host:port`, `[::1]:port`."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.%\w]+\]|[^:\[\]/\s]+)(?::(\d{1,5}))?", text)
    if found is None:
        raise ValueError("host")
    host, number = found[1].strip("[]"), int(found[2] or port)
    if not 0 < number < 65_536:
        raise ValueError("port")
    host.encode("idna")  # as a look-up of the name would: a label may be empty or too long
    return host, number


def _primary(path: str) -> tuple[str, str]:
    """(name, database) of `name` or `name/0`."""
    name, _, database = path.partition("/")
    if not name:
        raise ValueError("name of the primary")
    return name, database
