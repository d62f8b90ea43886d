"""A question to an engine of its own: in a process that ends with the answer, or with whoever has asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stream_rec.errors import ConfigError, Unavailable
from stream_rec.serve.engine_process import EngineProcess, Turns
from stream_rec.serve.wishes import Busy
from stream_rec.settings import ServeSettings, Settings
from tests.serve import asked
from tests.waiting import wait_until


def process(most: int = 0) -> EngineProcess:
    return EngineProcess(Settings(serve=ServeSettings(port=4711)), Turns(most))


def test_it_answers_under_the_settings_that_it_is_given() -> None:
    found = asyncio.run(process().ask(asked.echo, user_id="ann", items=["a", "b"], n=3))
    assert found == {"port": 4711, "user": "ann", "items": ["a", "b"], "n": 3}


def test_what_is_wrong_is_said_and_so_is_that_it_said_nothing() -> None:
    with pytest.raises(ConfigError, match="no home") as error:
        asyncio.run(process().ask(asked.wrong, scenario="home"))
    assert error.value.fix == "name another"
    with pytest.raises(Unavailable, match="no answer"):
        asyncio.run(process().ask(asked.killed))


def pid_in(file: Path) -> int:
    return int(wait_until(lambda: file.exists() and file.read_text(), 120, "the process to begin"))


def test_a_few_wait_for_their_turn_and_whoever_goes_takes_the_process_along(tmp_path: Path) -> None:
    file, asks = tmp_path / "pid", process(most=1)

    async def story() -> int:
        first = asyncio.create_task(asks.ask(asked.never, items=[str(file)]))
        pid = await asyncio.to_thread(pid_in, file)
        second = asyncio.create_task(asks.ask(asked.echo, n=2))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="1 questions wait"):
            await asks.ask(asked.echo)
        first.cancel()
        assert (await second)["n"] == 2
        return pid

    assert not psutil.pid_exists(asyncio.run(story()))


def test_it_ends_with_the_server_even_if_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    program = f"from tests.serve.asked import ask_never; ask_never({str(file)!r})"
    server = subprocess.Popen([sys.executable, "-c", program])
    try:
        pid = pid_in(file)
    finally:
        server.kill()
        server.wait()
    wait_until(lambda: not psutil.pid_exists(pid), 60, "its process to end")
