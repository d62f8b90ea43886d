"""Questions that need an engine of their own, or load as much: each is answered by a process that ends with the answer.

So the server stays small, a slow question never makes it slow, and what is tried out touches nothing that serves.
Settings go over standard input: they may hold secrets.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import msgspec

from stream_rec import logs
from stream_rec.embedded.launch import die_with_parent
from stream_rec.errors import ConfigError, StreamRecError, Unavailable
from stream_rec.serve.wishes import Busy
from stream_rec.settings import Settings

ANSWER_SECONDS = 300.0
"""A log without a snapshot is learned whole."""


class Question(msgspec.Struct, frozen=True):
    """What is asked; each answer says what of it counts.

    Attributes:
        answer: who answers: `module:function`.
        settings: of everything.
        user_id: a user.
        scenario: name of one.
        scenarios: by name, as they are on the wire.
        items: ids.
        n: how many, at most.
    """

    answer: str
    settings: dict[str, Any]
    user_id: str = ""
    scenario: str = ""
    scenarios: dict[str, dict[str, Any]] = {}
    items: tuple[str, ...] = ()
    n: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What was found, or what is wrong.

    Attributes:
        found: plain data.
        error: empty = nothing is wrong.
        fix: what to do about it.
    """

    found: Any = None
    error: str = ""
    fix: str = ""


Answers = Callable[[Settings, Question], Any]
"""Finds the answer, in the process: a function at the top of a module, which loads what it needs when it is called."""


class Turns:
    """One question at a time, for each takes a core and a worker's memory; a few wait.

    Args:
        most: that wait.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._n = 0
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """The turn of one of them.

        Raises:
            Busy: as many wait as may.
        """
        if self._n > self._most:
            raise Busy(f"{self._most} questions wait for an engine of their own")
        self._n += 1
        try:
            async with self._turn:
                yield
        finally:
            self._n -= 1


class EngineProcess:
    """Asks.

    Args:
        settings: of everything.
        turns: shared by all who ask in this process.
    """

    def __init__(self, settings: Settings, turns: Turns) -> None:
        self._settings = settings
        self._turns = turns

    async def ask(
        self,
        answer: Answers,
        *,
        user_id: str = "",
        scenario: str = "",
        scenarios: Mapping[str, msgspec.Struct] | None = None,
        items: Sequence[str] = (),
        n: int = 0,
    ) -> Any:
        """What `answer` finds, as plain data. Whoever stops waiting ends the process.

        Raises:
            ConfigError: what is wrong, as the process says it.
            Unavailable: it has not answered within ANSWER_SECONDS, or has ended without an answer.
            Busy: as many wait as may.
        """
        question = Question(
            f"{answer.__module__}:{answer.__qualname__}",
            self._settings.model_dump(mode="json"),
            user_id,
            scenario,
            msgspec.to_builtins(scenarios or {}),
            tuple(items),
            n,
        )
        async with self._turns.one():
            raw = await self._run(msgspec.json.encode(question))
        try:
            found = msgspec.json.decode(raw.splitlines()[-1] if raw else b"", type=Answer)
        except msgspec.DecodeError as error:
            raise Unavailable("engine", "its process gave no answer; the log says more") from error
        if found.error:
            raise ConfigError(found.error, fix=found.fix or "correct it, and ask again")
        return found.found

    async def _run(self, question: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stream_rec.serve.engine_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return (await process.communicate(question))[0]
        except TimeoutError as error:
            raise Unavailable("engine", f"no answer within {ANSWER_SECONDS:.0f} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def main() -> None:
    """Read a question, write the answer. The process ends with the one that asks, however that ends."""
    if sys.platform == "linux":
        die_with_parent()
    logs.configure("warning", as_json=False)
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    module, _, name = question.answer.partition(":")
    try:
        found = getattr(import_module(module), name)(Settings.model_validate(question.settings), question)
        answer = Answer(msgspec.to_builtins(found))
    except StreamRecError as error:
        fix = error.fix if isinstance(error, ConfigError) else ""
        answer = Answer(error=error.message if isinstance(error, ConfigError) else str(error), fix=fix)
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
