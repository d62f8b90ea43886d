"""Connecting to Redis, and what its errors mean to us."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry

from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import StoreSettings
from stream_rec.settings.masking import address

CLIENT_NAME = "stream-rec"
_NOT_NOW = re.compile(
    r"(?:^|-)(OOM|READONLY|MISCONF|NOREPLICAS|MASTERDOWN|LOADING|BUSY|TRYAGAIN|CLUSTERDOWN)\b"
)
"""Codes of refusals that an operator or time mends. At the start, or (Redis 6) after a dash inside a script's error."""
_NOT_NOW_CLASSES = (OutOfMemoryError, ReadOnlyError, TryAgainError, ClusterDownError)
_NOT_YOU = re.compile(r"(?:^|-)NOPERM\b|The user executing the script can't")


def connect(settings: StoreSettings, *, retries: int = 0) -> redis.asyncio.Redis:
    """With asyncio. Connects at the first command.

    Args:
        settings: of the store.
        retries: further attempts at a command. The worker has none of them here, but its own (see `waiting`).

    Raises:
        ConfigError: the URL is missing or wrong.
    """
    with _right_url(settings):
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            settings.url,
            **_identity(settings),
            max_connections=settings.max_connections,
            timeout=settings.timeout_seconds,
            socket_timeout=settings.timeout_seconds,
            socket_connect_timeout=settings.timeout_seconds,
            client_name=CLIENT_NAME,
            retry=AsyncRetry(NoBackoff(), retries),
        )
        _check_files(pool.connection_kwargs)
    return redis.asyncio.Redis.from_pool(pool)


def connect_sync(settings: StoreSettings) -> redis.Redis:
    """For readers; thread-safe. Tries a command twice: a restart of Redis between two reads goes unseen.

    Raises:
        ConfigError: the URL is missing or wrong.
    """
    with _right_url(settings):
        pool = redis.BlockingConnectionPool.from_url(
            settings.url,
            **_identity(settings),
            max_connections=settings.max_connections,
            timeout=settings.timeout_seconds,
            socket_timeout=settings.timeout_seconds,
            socket_connect_timeout=settings.timeout_seconds,
            client_name=CLIENT_NAME,
            retry=Retry(NoBackoff(), 1),
        )
        _check_files(pool.connection_kwargs)
    return redis.Redis.from_pool(pool)


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Turn redis-py's errors into ours: `Unavailable` = try again, `ConfigError` = the operator must act.

    Whatever else Redis answers (a wrong command, say) is a bug and passes.
    """
    try:
        yield
    except (AuthenticationError, AuthorizationError) as error:
        raise ConfigError(
            f"redis at {address(url)} refuses our user or password: {error}",
            fix="correct store.username and store.password, or those in store.url",
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if _is_certificate_error(error):
            raise ConfigError(
                f"redis at {address(url)} shows a certificate we do not trust: {error}",
                fix="name its authority: store.ca_file = /path/ca.pem; and name the host as its certificate does",
            ) from error
        if _speaks_no_tls(error):
            raise ConfigError(
                f"redis at {address(url)} refuses TLS as we speak it: {error}",
                fix="redis:// where Redis wants no TLS; store.certificate_file where it wants a certificate",
            ) from error
        raise Unavailable("redis", f"{address(url)}: {error}") from error
    except ResponseError as error:
        if isinstance(error, NoPermissionError) or _NOT_YOU.search(str(error)):
            raise ConfigError(
                f"redis at {address(url)} does not let our user do this: {error}",
                fix="give the ACL user the rights listed in docs/redis.md",
            ) from error
        if isinstance(error, _NOT_NOW_CLASSES) or _NOT_NOW.search(str(error)):
            raise Unavailable("redis", f"{address(url)}: {error}") from error
        raise


def _is_certificate_error(error: BaseException) -> bool:
    return isinstance(_cause(error), ssl.SSLCertVerificationError)


def _speaks_no_tls(error: BaseException) -> bool:
    """A handshake that broke off because of what was said, not because the connection did."""
    cause = _cause(error)
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or error.__context__


def _identity(settings: StoreSettings) -> dict[str, Any]:
    """Who we are and whom we trust, in redis-py's words. What the URL says beats it."""
    files = {
        "ssl_ca_certs": settings.ca_file,
        "ssl_certfile": settings.certificate_file,
        "ssl_keyfile": settings.key_file,
        "ssl_password": settings.key_password,
    }
    user = {"username": settings.username, "password": settings.password}
    given = {name: value for name, value in files.items() if value}
    if given and not settings.url.startswith("rediss://"):
        raise ConfigError(
            "store.ca_file, certificate_file, key_file and key_password need TLS, and store.url is not rediss://",
            fix="write rediss:// in store.url, or leave them out",
        )
    return given | {name: value for name, value in user.items() if value}


def _check_files(connection: Mapping[str, Any]) -> None:
    """Read certificates and keys once: at the first command a wrong path would look like a server that is away."""
    try:
        context = ssl.create_default_context(cafile=connection.get("ssl_ca_certs"))
        if certificate := connection.get("ssl_certfile"):
            password = connection.get("ssl_password") or ""  # never asked for at a terminal
            context.load_cert_chain(certificate, connection.get("ssl_keyfile"), lambda: password)
    except OSError as error:
        raise ConfigError(
            f"store: certificates for Redis cannot be read: {error}",
            fix="correct store.ca_file, store.certificate_file, store.key_file and store.key_password (PEM)",
        ) from error


@contextmanager
def _right_url(settings: StoreSettings) -> Iterator[None]:
    fix = (
        "set store.url to redis://HOST:PORT/DB, or rediss:// for TLS; a password goes into store.password, "
        "or percent-encoded into the URL"
    )
    if not settings.url:
        raise ConfigError("store.url is empty", fix=fix)
    try:
        yield
    except ValueError as error:  # its text is not repeated: it may hold a piece of the password
        raise ConfigError("store.url is no Redis URL", fix=fix) from error
