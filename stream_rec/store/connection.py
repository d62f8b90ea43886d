"""Connecting to Redis, and what its errors mean to us. TLS, user, password and database come with the URL."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

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

CLIENT_NAME = "stream-rec"
_NOT_NOW = re.compile(
    r"(?:^|-)(OOM|READONLY|MISCONF|NOREPLICAS|MASTERDOWN|LOADING|BUSY|TRYAGAIN|CLUSTERDOWN)\b"
)
"""Codes of refusals that an operator or time mends. At the start, or (Redis 6) after a dash inside a script's error."""
_NOT_NOW_CLASSES = (OutOfMemoryError, ReadOnlyError, TryAgainError, ClusterDownError)
_NOT_YOU = re.compile(r"(?:^|-)NOPERM\b|The user executing the script can't")


def connect(settings: StoreSettings) -> redis.asyncio.Redis:
    """For the worker. Connects at the first command; retries nothing itself (see `waiting`).

    Raises:
        ConfigError: the URL is missing or wrong.
    """
    with _right_url(settings):
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            settings.url,
            max_connections=settings.max_connections,
            timeout=settings.timeout_seconds,
            socket_timeout=settings.timeout_seconds,
            socket_connect_timeout=settings.timeout_seconds,
            client_name=CLIENT_NAME,
            retry=AsyncRetry(NoBackoff(), 0),
        )
    return redis.asyncio.Redis.from_pool(pool)


def connect_sync(settings: StoreSettings) -> redis.Redis:
    """For readers; thread-safe. Tries a command twice: a restart of Redis between two reads goes unseen.

    Raises:
        ConfigError: the URL is missing or wrong.
    """
    with _right_url(settings):
        pool = redis.BlockingConnectionPool.from_url(
            settings.url,
            max_connections=settings.max_connections,
            timeout=settings.timeout_seconds,
            socket_timeout=settings.timeout_seconds,
            socket_connect_timeout=settings.timeout_seconds,
            client_name=CLIENT_NAME,
            retry=Retry(NoBackoff(), 1),
        )
    return redis.Redis.from_pool(pool)


def address(url: str) -> str:
    """The URL without user and password, for logs and errors."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Turn redis-py's errors into ours: `Unavailable` = try again, `ConfigError` = the operator must act.

    Whatever else Redis answers (a wrong command, say) is a bug and passes.
    """
    try:
        yield
    except (AuthenticationError, AuthorizationError) as error:
        raise ConfigError(
            f"redis at {address(url)} refuses our user or password: {error}", fix="correct store.url"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if _is_certificate_error(error):
            raise ConfigError(
                f"redis at {address(url)} shows a certificate we do not trust: {error}",
                fix="name its authority in the URL: rediss://...?ssl_ca_certs=/path/ca.pem",
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
    cause = error.__cause__ or error.__context__
    return isinstance(cause, ssl.SSLCertVerificationError)


@contextmanager
def _right_url(settings: StoreSettings) -> Iterator[None]:
    fix = "set store.url to redis://HOST:PORT/DB, or rediss:// for TLS"
    if not settings.url:
        raise ConfigError("store.url is empty", fix=fix)
    try:
        yield
    except ValueError as error:  # says which part is wrong, not what it held
        raise ConfigError(f"store.url is no Redis URL: {error}", fix=fix) from error
