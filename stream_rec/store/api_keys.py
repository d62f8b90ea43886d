"""Keys of the HTTP server, as Redis has them: hashes of secrets, never the secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from stream_rec.store.keys import Keys
from stream_rec.store.questions import Question, RoundTrip


class ApiKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key. Redis `api-keys`, a hash, field `key_id`.

    Attributes:
        key_id: the public part.
        name: whose; two keys of one name may be valid at a time, so that one can follow the other.
        secret_hash: SHA-256 of the secret part, in hexadecimal digits. The secret has 256 random bits, so nobody can
            try them all, and a slow hash would only make requests slow.
        scopes: of `publish`, `read`, `admin`, `browser`.
        created_ts: seconds since the epoch.
        per_second: requests, at most, in each server; 0 = no limit.
        visitor_secret: of a browser key: signs the tokens of its visitors, in hexadecimal digits.
    """

    key_id: str
    name: str
    secret_hash: str
    scopes: tuple[str, ...]
    created_ts: float
    per_second: float = 0.0
    visitor_secret: str = ""


_decode = msgspec.json.Decoder(ApiKey).decode
_encode = msgspec.json.Encoder().encode


def owner_of(prefixes: Sequence[str], key_id: str) -> Question[int | None]:
    """Which of several tenants (`store.prefix` each) has a key of this id; None = none of them."""
    found = yield RoundTrip(tuple([("HEXISTS", Keys(prefix).api_keys, key_id) for prefix in prefixes]))
    return next((at for at, has in enumerate(found) if _answered(has)), None)


class ApiKeyQuestions:
    """Everything about one tenant's keys, for a `Reader` or an `AsyncReader`.

    Args:
        prefix: `store.prefix`.
    """

    def __init__(self, prefix: str) -> None:
        self._key = Keys(prefix).api_keys

    def one(self, key_id: str) -> Question[tuple[ApiKey | None, int]]:
        """The key of this id, None = there is none; and how many keys there are."""
        found, n = yield RoundTrip((("HGET", self._key, key_id), ("HLEN", self._key)))
        return self._read(found), int(_answered(n))

    def all(self) -> Question[list[ApiKey]]:
        """All of them, by name, the oldest first."""
        (found,) = yield RoundTrip((("HVALS", self._key),))
        read = [self._read(raw) for raw in _answered(found)]
        return sorted([each for each in read if each], key=lambda each: (each.name, each.created_ts))

    def add(self, key: ApiKey) -> Question[None]:
        """Make it valid."""
        (found,) = yield RoundTrip((("HSET", self._key, key.key_id, _encode(key).decode()),))
        _answered(found)

    def remove(self, key_id: str) -> Question[bool]:
        """Make it invalid; whether there was one."""
        (found,) = yield RoundTrip((("HDEL", self._key, key_id),))
        return bool(_answered(found))

    def _read(self, raw: Any) -> ApiKey | None:
        """A key that cannot be read is none: who presents it is not let in."""
        if _answered(raw) is None or not isinstance(raw, bytes):
            return None
        try:
            return _decode(raw)
        except (msgspec.MsgspecError, UnicodeError):
            return None


def _answered(answer: Any) -> Any:
    if isinstance(answer, ResponseError):
        raise answer
    return answer
