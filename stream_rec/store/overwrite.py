"""Writing to one of our keys where another program has stored a value of another type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from stream_rec import logs
from stream_rec.store.connection import Command, Connection
from stream_rec.store.refusals import TooSlow, code_of


async def write_over(
    connection: Connection, key: str, commands: Sequence[Command], *, writes: str
) -> list[Any]:
    """Run a pipeline of commands that are harmless to repeat; a key of another type is removed first.

    Args:
        connection: where to.
        key: the one that may be of another type.
        commands: what to run.
        writes: as `Connection.pipeline`.

    Raises:
        Unavailable: Redis does not answer.
        ConfigError: the operator must act.
        redis.ResponseError: a bug.
    """
    answers = await _at_once(connection, commands, writes)
    if any(code_of(one) == "WRONGTYPE" for one in answers if isinstance(one, Exception)):
        logs.get("recommend").warning("a key of ours held another type: overwritten", key=key)
        answers = (await _at_once(connection, [("UNLINK", key), *commands], writes))[1:]
    for one in answers:
        if isinstance(one, ResponseError):
            raise one
    return answers


async def _at_once(connection: Connection, commands: Sequence[Command], writes: str) -> list[Any]:
    """One pipeline; if it is too slow, the next batch is cut into smaller ones."""
    at_once = connection.portion.keys
    try:
        answers = await connection.pipeline(commands, writes=writes)
    except TooSlow:
        connection.portion.too_slow(at_once)
        raise
    return answers
