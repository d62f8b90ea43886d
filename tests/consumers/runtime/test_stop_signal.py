"""A signal is answered whatever the main thread does, and the process ends whatever its other threads do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from stream_rec.cli.main import command

PROMISED_SECONDS = 5.0
"""A promise to operators, so here time is part of the claim."""
INSTALLED = "import ctypes, time; from stream_rec.consumers.runtime.stop_signal import STOP; STOP.install();"
READY = "print('ready', flush=True);"
IN_C = "[ctypes.CDLL(None).sleep(60) for _ in range(9)]"
"""A signal ends one call of it."""
WITH_THE_LOCK = "ctypes.PyDLL(None).sleep(60)"


def stopped(program: str, number: int = signal.SIGTERM) -> tuple[int, float, str]:
    """The exit code of a program that says `ready` and is told to stop, the seconds it took, and what it said."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.send_signal(number)
        code = process.wait(30)
        return code, time.monotonic() - began, process.stdout.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("work", ["time.sleep(60)", IN_C])
def test_as_long_as_there_is_nothing_to_finish_the_process_leaves_at_once(work: str, number: int) -> None:
    code, seconds, _ = stopped(INSTALLED + READY + work, number)
    assert code == 0
    assert seconds < PROMISED_SECONDS


def test_what_is_to_be_finished_is_told_while_the_main_thread_is_busy() -> None:
    finish = "import os; STOP.on_stop(lambda: (print('finished', flush=True), os._exit(7)));"
    code, _, said = stopped(INSTALLED + finish + READY + IN_C)
    assert (code, said) == (7, "finished\n")


def test_a_stop_that_gets_stuck_is_ended_in_time_also_when_the_interpreter_is_locked() -> None:
    code, seconds, _ = stopped(INSTALLED + f"STOP.on_stop(lambda: {WITH_THE_LOCK});" + READY + IN_C)
    assert code == 0
    assert seconds < PROMISED_SECONDS


def test_a_failure_that_gets_stuck_keeps_its_exit_code() -> None:
    stuck = f"STOP.leave_at_the_latest(2); {WITH_THE_LOCK}"
    process = subprocess.run([sys.executable, "-c", INSTALLED + stuck], check=False, timeout=30)
    assert process.returncode == 2


def test_nothing_heavy_is_loaded_before_signals_are_answered() -> None:
    program = (
        INSTALLED + "import sys; print(len({'typer', 'numpy', 'structlog', 'asyncio'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout == "0\n"


def test_the_command_is_found_among_options() -> None:
    assert command(["--log-level", "debug", "--log-json", "worker", "--set", "a=b"]) == "worker"
    assert command(["--log-level", "worker", "recommend", "worker"]) == "recommend"
    assert command(["--version"]) == ""
