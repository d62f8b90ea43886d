"""Answers for `EngineProcess` to find, and a program that asks."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from threading import Event
from typing import Any

from stream_rec.errors import ConfigError
from stream_rec.serve.engine_process import EngineProcess, Question, Turns
from stream_rec.settings import Settings


def echo(settings: Settings, question: Question) -> Any:
    """What came over."""
    return {"port": settings.serve.port, "user": question.user_id, "items": question.items, "n": question.n}


def wrong(_: Settings, question: Question) -> Any:
    """Raises what the operator has to mend."""
    raise ConfigError(f"no {question.scenario}", fix="name another")


def killed(_: Settings, __: Question) -> Any:
    """Ends without a word, as of the kernel when there is no memory left."""
    os.abort()


def never(_: Settings, question: Question) -> Any:
    """Says in a file which process it is, and does not come back."""
    Path(question.items[0]).write_text(str(os.getpid()))
    Event().wait()


def ask_never(file: str) -> None:
    """A program that asks for what does not come."""
    asyncio.run(EngineProcess(Settings(), Turns(0)).ask(never, items=[file]))
