"""Lua scripts by their digest: EVALSHA, pipelined, reloaded on NOSCRIPT."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from redis.exceptions import ClusterCrossSlotError, NoScriptError, ResponseError

from stream_rec.errors import ConfigError, Unavailable
from stream_rec.store.connection import Command, Connection, Word
from stream_rec.store.refusals import TooSlow

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
    """A script for some keys, which answers for each (in an array if it takes several). Harmless to repeat.

    Attributes:
        script: what is run.
        keys: may be dealt to several runs.
        shared: the first arguments of every run.
        each: one argument for each key, behind those; () = there are none, and one key.
    """

    script: Script
    keys: tuple[str, ...]
    shared: tuple[Word, ...]
    each: tuple[Word, ...] = ()


async def run(connection: Connection, calls: Sequence[Call], *, writes: str) -> list[Any]:
    """Run the calls in order, in pipelines and in runs as large as the connection takes; the answers of all keys.

    Not a transaction: if it raises, the first calls may have run. In a cluster only the order of the answers is kept.

    Args:
        connection: where to.
        calls: what.
        writes: what they write, for `Connection.writes`.

    Raises:
        Unavailable: Redis does not answer, refuses for a time, or forgets scripts as soon as they are loaded.
        ConfigError: the operator must act.
        redis.ResponseError: a bug of the script.
    """
    answers: list[Any] = []
    waiting = deque(calls)
    at_once, slowest = connection.portion.keys, 0.0
    while waiting:
        began = connection.clock.monotonic()
        some = _take(waiting, at_once, connection.keys_per_script)
        try:
            answers += await _run_pipeline(connection, some, writes)
        except TooSlow:
            connection.portion.too_slow(at_once)
            raise
        except ClusterCrossSlotError:
            if connection.keys_per_script == 1:
                raise
            connection.one_key_per_script()
            waiting.extendleft(reversed(some))
        slowest = max(slowest, connection.clock.monotonic() - began)
    connection.portion.went_through(slowest)
    return answers


def _take(waiting: deque[Call], n_keys: int, per_run: int) -> list[Call]:
    """The first calls, cut to at most so many keys in all and in each."""
    taken: list[Call] = []
    while waiting and n_keys:
        call = waiting.popleft()
        n = min(n_keys, per_run, len(call.keys))
        if n < len(call.keys):
            waiting.appendleft(call._replace(keys=call.keys[n:], each=call.each[n:]))
            call = call._replace(keys=call.keys[:n], each=call.each[:n])
        taken.append(call)
        n_keys -= n
    return taken


async def _run_pipeline(connection: Connection, calls: Sequence[Call], writes: str) -> list[Any]:
    """One pipeline, and again for calls that met NOSCRIPT: Redis was restarted, or a slot came to a new node."""
    answers: list[list[Any]] = [[]] * len(calls)
    unanswered = list(range(len(calls)))
    word = "EVALSHA"
    for _ in range(_LOAD_TRIES):
        commands = [_command(word, calls[i]) for i in unanswered]
        forgotten: list[int] = []
        for i, reply in zip(unanswered, await connection.pipeline(commands, writes=writes), strict=True):
            if isinstance(reply, NoScriptError):
                forgotten.append(i)
            elif isinstance(reply, Exception):
                raise reply
            else:
                answers[i] = reply if isinstance(reply, list) else [reply]
        if not forgotten:
            return [answer for of_call in answers for answer in of_call]
        if not await _load(connection, {calls[i].script for i in forgotten}):
            word = "EVAL"
        unanswered = forgotten
    raise Unavailable("redis", "it forgets scripts as soon as they are loaded")


def _command(word: str, call: Call) -> Command:
    script = call.script.digest if word == "EVALSHA" else call.script.source
    return (word, script, len(call.keys), *call.keys, *call.shared, *call.each)


async def _load(connection: Connection, scripts: set[Script]) -> bool:
    """Load scripts on all servers; False = a proxy does not let us, and their text must be sent each time."""
    try:
        for script in scripts:
            await connection.load_script(script.source)
    except (ConfigError, ResponseError) as error:
        if isinstance(error, ResponseError) or "unknown command" in str(error.__cause__).lower():
            return False
        raise
    return True
