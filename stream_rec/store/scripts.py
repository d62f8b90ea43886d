"""Lua scripts by their digest: one EVALSHA per key, pipelined, loaded again when Redis has forgotten them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from stream_rec.errors import Unavailable

_LOAD_TRIES = 4


@dataclass(frozen=True, slots=True)
class Script:
    """A `.lua` file of this package; its head comment says what it takes and answers."""

    source: str
    digest: str

    @classmethod
    def named(cls, name: str) -> Script:
        """Read `<name>.lua`."""
        source = files("stream_rec.store").joinpath(f"{name}.lua").read_text("utf-8")
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class Call(NamedTuple):
    """One run of a script on one key. Must be harmless to repeat."""

    script: Script
    key: str
    arguments: tuple[bytes | str | int, ...]


async def run(redis: Redis, calls: Sequence[Call], *, per_pipeline: int) -> list[int]:
    """Run the calls in order, at most `per_pipeline` in flight; the answers in the same order.

    Not a transaction: if it raises, the first calls may have run. A call that met NOSCRIPT (Redis was
    restarted) runs again after the others of its pipeline.

    Raises:
        redis.RedisError: the first of a pipeline.
        Unavailable: scripts are gone each time they have been loaded.
    """
    answers: list[int] = []
    for start in range(0, len(calls), per_pipeline):
        answers += await _run_pipeline(redis, calls[start : start + per_pipeline])
    return answers


async def _run_pipeline(redis: Redis, calls: Sequence[Call]) -> list[int]:
    answers = [0] * len(calls)
    open_calls = list(range(len(calls)))
    for _ in range(_LOAD_TRIES):
        pipeline = redis.pipeline(transaction=False)
        for i in open_calls:
            script, key, arguments = calls[i]
            pipeline.evalsha(script.digest, 1, key, *arguments)
        forgotten: list[int] = []
        for i, reply in zip(open_calls, await pipeline.execute(raise_on_error=False), strict=True):
            if isinstance(reply, NoScriptError):
                forgotten.append(i)
            elif isinstance(reply, Exception):
                raise reply
            else:
                answers[i] = int(reply)
        if not forgotten:
            return answers
        for script in {calls[i].script for i in forgotten}:
            await redis.script_load(script.source)
        open_calls = forgotten
    raise Unavailable("redis", "it forgets scripts as soon as they are loaded")
