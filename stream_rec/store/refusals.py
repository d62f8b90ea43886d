"""What redis-py's errors mean to us: retry, the operator must act, or the caller is to judge.

Redis gives a code: at the start of its reply, after a dash inside the error of a script (Redis 6), or behind the
text that redis-py puts before a reply of a pipeline. redis-py strips some codes off the text and keeps them in the
class of the error.
"""

from __future__ import annotations

import re
import ssl

import redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterCrossSlotError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)

from stream_rec.errors import ConfigError, StreamRecError, Unavailable
from stream_rec.settings.masking import address

_AT_THE_START = re.compile(r"-?([A-Z][A-Z_]+)\b")
_IN_A_SCRIPT = re.compile(r"@user_script: ?\d+: -?([A-Z]{3,})\b")
_BEHIND = "caused error: "
"""redis-py puts the command before it, and in that may stand anything."""
_CLASSES: dict[type[BaseException], str] = {
    AuthenticationError: "NOAUTH",
    AuthorizationError: "NOAUTH",
    NoPermissionError: "NOPERM",
    OutOfMemoryError: "OOM",
    ReadOnlyError: "READONLY",
    TryAgainError: "TRYAGAIN",
    MasterDownError: "MASTERDOWN",
    ClusterDownError: "CLUSTERDOWN",
    ClusterCrossSlotError: "CROSSSLOT",
    MovedError: "MOVED",
    AskError: "ASK",
}
_HERE_LATER = frozenset({"OOM", "MISCONF", "NOREPLICAS", "BUSY", "TRYAGAIN"})
"""Temporary refusals: the operator or time resolves them, on this server."""
_KILLED = "Script killed by user"
"""Somebody ended a script that took long: it was in the way of others, and may run again."""
_ELSEWHERE = frozenset({"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"})
"""Refusals of a server that no longer is the primary: another may have taken its place under the same name."""
_LOGIN = frozenset({"NOAUTH", "WRONGPASS"})
_MOVED = frozenset({"MOVED", "ASK"})


class Elsewhere(Unavailable):
    """The connections lead to a server that is gone, hangs, or is not the primary: reconnect, then retry."""


class TooSlow(Elsewhere):
    """No answer, or not all was sent, within `store.timeout_seconds`: less at once may get through."""


def code_of(error: BaseException) -> str:
    """Redis' code for a refusal, wherever it stands; "" = there is none."""
    if code := _CLASSES.get(type(error)):
        return code
    text = str(error).rpartition(_BEHIND)[2]
    found = _AT_THE_START.match(text)
    if found is None or found[1] == "ERR":
        found = _IN_A_SCRIPT.search(text) or found
    return found[1] if found else ""


def understood(error: BaseException, url: str, *, is_cluster: bool = False) -> StreamRecError | None:
    """What an error of redis-py means; None = it is not ours to explain: the caller judges it, or it is a bug.

    Args:
        error: as redis-py raised it, or answered it in a pipeline.
        url: `store.url`, for the message.
        is_cluster: redis-py's cluster client raised it, which follows MOVED and ASK itself.
    """
    where = address(url)
    if isinstance(error, StreamRecError):
        return error
    if isinstance(error, RedisClusterException):
        return _of_cluster(error, where)
    if isinstance(error, ResponseError | AuthenticationError | AuthorizationError):
        return _refusal(error, where, is_cluster)
    if isinstance(error, redis.ConnectionError | redis.TimeoutError | ClusterError):
        return _broken(error, where)
    if is_cluster and isinstance(error, AttributeError):
        # redis-py 8.1.0 looks a node up that ASK names, and takes one that it does not know for there.
        return Elsewhere("redis", f"{where}: a slot is being migrated to a new node: {error}")
    return None


def _refusal(error: Exception, where: str, is_cluster: bool) -> StreamRecError | None:
    code, text = code_of(error), str(error)
    if code in _LOGIN:
        return ConfigError(
            f"redis at {where} refuses our user or password: {text}",
            fix="correct store.username and store.password, or those in store.url",
        )
    if code == "NOPERM" or "The user executing the script can't" in text:
        return ConfigError(
            f"redis at {where} denies our user this command: {text}",
            fix="give the ACL user the rights listed in docs/redis.md",
        )
    if code in _MOVED and not is_cluster:
        return ConfigError(
            f"redis at {where} is a node of a cluster: {code} {text}",
            fix="use redis+cluster:// in store.url (rediss+cluster:// for TLS)",
        )
    if code == "DENIED":
        return ConfigError(
            f"redis at {where} is in protected mode: {text}",
            fix="set a password there, or protected-mode no",
        )
    if code in _HERE_LATER or _KILLED in text:
        return Unavailable("redis", f"{where}: {text}")
    if code in _ELSEWHERE | _MOVED:
        return Elsewhere("redis", f"{where}: {text}")
    return _operators(text, where)


_OPERATORS = (
    (
        re.compile(r"unknown command", re.IGNORECASE),
        "use Redis 6.2 or newer, or a proxy that supports EVALSHA",
    ),
    (
        re.compile(r"DB index|invalid DB|SELECT is not allowed", re.IGNORECASE),
        "correct the database in store.url",
    ),
)


def _operators(text: str, where: str) -> ConfigError | None:
    for pattern, fix in _OPERATORS:
        if pattern.search(text):
            return ConfigError(f"redis at {where} cannot be used: {text}", fix=fix)
    return None


def _broken(error: Exception, where: str) -> StreamRecError:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConfigError(
            f"redis at {where} presents an untrusted certificate: {error}",
            fix="set store.ca_file = /path/ca.pem to its CA, and use the host name of its certificate",
        )
    # A handshake that broke off because of what was said, not because the connection did.
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ConfigError(
            f"redis at {where} and we cannot agree on TLS: {error}",
            fix="use redis:// if Redis has no TLS; set store.certificate_file if it requires a client certificate",
        )
    if "AuthenticationError" in str(error):  # redis-py lists what each sentinel said
        return ConfigError(
            f"the sentinels at {where} refuse our user or password: {error}",
            fix="add ?sentinel_password=... (and sentinel_username) to store.url",
        )
    kind = TooSlow if isinstance(error, redis.TimeoutError) else Elsewhere
    return kind("redis", f"{where}: {error}")


def _of_cluster(error: RedisClusterException, where: str) -> StreamRecError:
    text = str(error)
    if "luster mode is not enabled" in text or "cluster support disabled" in text:
        return ConfigError(f"redis at {where} is not a cluster: {text}", fix="use redis:// in store.url")
    for cause in (error.__cause__, error.__context__):
        if isinstance(cause, redis.RedisError) and isinstance(found := understood(cause, where), ConfigError):
            return found
    return Elsewhere("redis", f"{where}: {text}")
