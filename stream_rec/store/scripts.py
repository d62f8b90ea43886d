"""Lua scripts by their digest: EVALSHA, pipelined, loaded again when Redis has forgotten them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
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
    """One run of a script, which answers for each key (in an array if it takes several). Harmless to repeat."""

    script: Script
    keys: tuple[str, ...]
    arguments: tuple[bytes | str | int, ...]


async def run(redis: Redis, calls: Sequence[Call], *, per_pipeline: int) -> list[int]:
    """Run the calls in order, at most `per_pipeline` keys in flight; the answers of all keys in the same order.

    Not a transaction: if it raises, the first calls may have run. A call that met NOSCRIPT (Redis was
    restarted) runs again after the others of its pipeline.

    Raises:
        redis.RedisError: the first of a pipeline.
        Unavailable: scripts are gone each time they have been loaded.
    """
    answers: list[int] = []
    for some in _portions(calls, per_pipeline):
        answers += await _run_pipeline(redis, some)
    return answers


def _portions(calls: Sequence[Call], n_keys: int) -> Iterator[list[Call]]:
    """In order, with at most n_keys keys in each, or a single call."""
    portion: list[Call] = []
    held = 0
    for call in calls:
        if portion and held + len(call.keys) > n_keys:
            yield portion
            portion, held = [], 0
        portion.append(call)
        held += len(call.keys)
    if portion:
        yield portion


async def _run_pipeline(redis: Redis, calls: Sequence[Call]) -> list[int]:
    answers: list[list[int]] = [[]] * len(calls)
    open_calls = list(range(len(calls)))
    for _ in range(_LOAD_TRIES):
        pipeline = redis.pipeline(transaction=False)
        for i in open_calls:
            script, keys, arguments = calls[i]
            pipeline.evalsha(script.digest, len(keys), *keys, *arguments)
        forgotten: list[int] = []
        for i, reply in zip(open_calls, await pipeline.execute(raise_on_error=False), strict=True):
            if isinstance(reply, NoScriptError):
                forgotten.append(i)
            elif isinstance(reply, Exception):
                raise reply
            else:
                answers[i] = reply if isinstance(reply, list) else [reply]
        if not forgotten:
            return [answer for of_call in answers for answer in of_call]
        for script in {calls[i].script for i in forgotten}:
            await redis.script_load(script.source)
        open_calls = forgotten
    raise Unavailable("redis", "it forgets scripts as soon as they are loaded")
