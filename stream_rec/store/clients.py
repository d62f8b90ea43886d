"""redis-py's clients for each kind of address: one server, sentinels, a cluster; with asyncio and without.

None of them retries by itself: `connection` does, after dropping all connections.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.cluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from stream_rec.errors import ConfigError
from stream_rec.settings import StoreSettings
from stream_rec.store.address import Address
from stream_rec.store.sentinels import AsyncSentinel, SyncSentinel

CLIENT_NAME = "stream-rec"
_RESP = 2
"""Without HELLO, which proxies do not know."""


class Clients:
    """Makes clients for one store.

    Args:
        settings: address, identity and bounds.

    Raises:
        ConfigError: the URL is missing or wrong, or a certificate cannot be read.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.address = Address.of(settings)
        self._settings = settings
        self._identity = {**_identity(settings, self.address), **self.address.options}
        self._names = True
        self._check_options()
        _check_files(self._identity)

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over several nodes."""
        return self.address.kind == "cluster"

    def asynchronous(self) -> Any:
        """A client for one event loop. Connects at the first command."""
        retry = AsyncRetry(NoBackoff(), 0)
        if self.address.kind == "cluster":
            # One connection to each node: redis-py sends ASKING and the command behind it on any two.
            nodes = [redis.asyncio.cluster.ClusterNode(*host) for host in self.address.hosts]
            options = self._options(retry) | {"max_connections": 1, "client_name": CLIENT_NAME}
            return redis.asyncio.RedisCluster(startup_nodes=nodes, require_full_coverage=False, **options)
        options = self._options(retry) | {"redis_connect_func": self._greet_async}
        if self.address.kind == "sentinel":
            sentinels: Any = AsyncSentinel(
                list(self.address.hosts), sentinel_kwargs=self._sentinel_options(retry), **options
            )
            return sentinels.master_for(self.address.primary)
        pool = redis.asyncio.BlockingConnectionPool(
            connection_class=self._connection_class(redis.asyncio.connection),
            timeout=self._settings.timeout_seconds,
            **self._of_one_server(options),
        )
        return redis.asyncio.Redis.from_pool(pool)

    def blocking(self) -> Any:
        """A thread-safe client. A cluster is asked for its nodes at once, the others connect at the first command.

        Raises:
            redis.RedisError: the cluster does not answer.
        """
        retry = Retry(NoBackoff(), 0)
        if self.address.kind == "cluster":
            nodes = [redis.cluster.ClusterNode(*host) for host in self.address.hosts]
            options = self._options(retry) | {"client_name": CLIENT_NAME}
            return redis.RedisCluster(startup_nodes=nodes, require_full_coverage=False, **options)
        options = self._options(retry) | {"redis_connect_func": self._greet}
        if self.address.kind == "sentinel":
            sentinels: Any = SyncSentinel(
                list(self.address.hosts), sentinel_kwargs=self._sentinel_options(retry), **options
            )
            return sentinels.master_for(self.address.primary)
        pool = redis.BlockingConnectionPool(
            connection_class=self._connection_class(redis.connection),
            timeout=self._settings.timeout_seconds,
            **self._of_one_server(options),
        )
        return redis.Redis.from_pool(pool)

    def _options(self, retry: Any) -> dict[str, Any]:
        seconds = self._settings.timeout_seconds
        ours = {
            "protocol": _RESP,
            "driver_info": None,  # CLIENT SETINFO: another command that proxies do not know
            "max_connections": self._settings.max_connections,
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": retry,
        }
        return ours | ({"ssl": True} if self.address.tls else {}) | self._identity

    def _sentinel_options(self, retry: Any) -> dict[str, Any]:
        kept = ("protocol", "driver_info", "socket_timeout", "socket_connect_timeout", "retry", "ssl")
        options = self._options(retry)
        return {
            name: value for name, value in options.items() if name in kept or name.startswith("ssl_")
        } | self.address.sentinel_options

    def _check_options(self) -> None:
        """Make a connection without connecting: at the first command an unknown option would look like a bug."""
        options = self._of_one_server(self._options(Retry(NoBackoff(), 0)))
        options.pop("max_connections")
        try:
            self._connection_class(redis.connection)(**options)
        except (TypeError, ValueError, RedisError) as error:
            raise ConfigError(
                f"store.url has an option that is not redis-py's, or not with this address: {error}",
                fix="correct the query string after the ? (ssl_ options need rediss://)",
            ) from None

    def _of_one_server(self, options: dict[str, Any]) -> dict[str, Any]:
        where = dict(zip(("host", "port"), self.address.hosts[0], strict=True)) if self.address.hosts else {}
        return {name: value for name, value in options.items() if name != "ssl"} | where

    def _connection_class(self, module: Any) -> Any:
        if not self.address.hosts:
            return module.UnixDomainSocketConnection
        return module.SSLConnection if self.address.tls else module.Connection

    async def _greet_async(self, connection: Any) -> None:
        """Authenticate, and set the client's name where that is allowed: some proxies reject it, or disconnect."""
        await connection.on_connect()
        if not self._names:
            return
        try:
            await connection.send_command("CLIENT", "SETNAME", CLIENT_NAME, check_health=False)
            await connection.read_response()
        except RedisError as error:
            self._names = False
            if not isinstance(error, ResponseError):
                raise

    def _greet(self, connection: Any) -> None:
        connection.on_connect()
        if not self._names:
            return
        try:
            connection.send_command("CLIENT", "SETNAME", CLIENT_NAME, check_health=False)
            connection.read_response()
        except RedisError as error:
            self._names = False
            if not isinstance(error, ResponseError):
                raise


def _identity(settings: StoreSettings, address: Address) -> dict[str, Any]:
    """Credentials and trusted certificates as redis-py's arguments. The URL takes precedence."""
    files = {
        "ssl_ca_certs": settings.ca_file,
        "ssl_certfile": settings.certificate_file,
        "ssl_keyfile": settings.key_file,
        "ssl_password": settings.key_password,
    }
    user = {"username": settings.username, "password": settings.password}
    given = {name: value for name, value in files.items() if value}
    if given and not address.tls:
        raise ConfigError(
            "store.ca_file, certificate_file, key_file and key_password need TLS, and store.url is not rediss://",
            fix="use rediss:// in store.url, or remove them",
        )
    if given.get("ssl_password") and address.kind == "cluster":
        raise ConfigError(
            "redis-py's client for a cluster takes no encrypted key",
            fix="decrypt it: openssl rsa -in key.pem -out plain.pem; and remove store.key_password",
        )
    return given | {name: value for name, value in user.items() if value}


def _check_files(connection: Mapping[str, Any]) -> None:
    """Read certificates and keys once: at the first command a wrong path would look like an unreachable server."""
    if not connection.keys() & {"ssl_ca_certs", "ssl_certfile"}:
        return
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
