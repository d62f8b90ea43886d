"""SIGTERM and SIGINT from a worker's first line on, and an end that nothing can delay.

A worker is told to stop at moments when its main thread cannot answer: inside an import, inside a call to a broker
that hangs, while kernels are compiled. So the signal is noticed by the C handler alone, which writes its number to a
pipe (`signal.set_wakeup_fd`), and a thread of its own reads the pipe. That thread first arms the last resort: a timer
of the C library whose thread calls `_exit` and needs no lock of Python's. Then it calls what `on_stop` was given; as
long as that is nothing, no work has begun that a stop could cut short, and the process leaves at once.

Imports nothing heavy: the console command installs it before everything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

LEAVE_SECONDS = 4.5
"""From the signal to `_exit`, at most: supervisors are promised 5 s, and the kernel takes a while to free memory."""
_LAST_WORDS_SECONDS = 0.3
"""Before that end, it is logged."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_MONOTONIC = 1
_SIGEV_THREAD = 2


class StopSignal:
    """Tells a worker that it is to stop. There is one in a process, `STOP`.

    Any number of signals is one stop. Python code that is loaded later must not replace the handlers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._installed = False
        self._is_told = False
        self._call: Callable[[], object] = leave
        self._last_resort = LastResort()

    def install(self) -> None:
        """Answer signals from now on; nothing when called again, or outside of the main thread."""
        if self._installed or threading.current_thread() is not threading.main_thread():
            return
        self._installed = True
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, _noticed)
        threading.Thread(target=self._watch, args=(read_end,), name="stop-signal", daemon=True).start()
        self._last_resort.prepare()

    def on_stop(self, call: Callable[[], object]) -> None:
        """Call this instead of leaving at once; at once if the signal has come. In a thread of its own."""
        with self._lock:
            self._call = call
            if not self._is_told:
                return
        call()

    def leave_at_the_latest(self, code: int) -> None:
        """End the process with this code `LEAVE_SECONDS` from now, or as the signal said if that came first.

        Nothing if signals are not answered here: the process is somebody else's.
        """
        if self._installed:
            self._last_resort.arm(code)

    def _watch(self, read_end: int) -> None:
        while numbers := os.read(read_end, 64):
            if any(number in _SIGNALS for number in numbers):
                self._tell()

    def _tell(self) -> None:
        self._last_resort.arm(0)
        with self._lock:
            if self._is_told:
                return
            self._is_told = True
            call = self._call
        call()
        time.sleep(LEAVE_SECONDS - _LAST_WORDS_SECONDS)
        _say_last_words()


class LastResort:
    """A timer that ends the process by `_exit`, whatever its threads do and whoever holds the interpreter's lock.

    Where the C library has no such timer (it is Linux that has), a thread of Python's takes its place.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed = False
        self._start: Callable[[int], None] = _by_python

    def prepare(self) -> None:
        """Load what is needed, so that arming needs no import."""
        with contextlib.suppress(ImportError, OSError, AttributeError):
            self._start = _by_the_c_library()

    def arm(self, code: int) -> None:
        """End with this code after `LEAVE_SECONDS`; only the first call counts."""
        with self._lock:
            if self._armed:
                return
            self._armed = True
        self._start(code)


def leave(code: int = 0) -> NoReturn:
    """End the process now: no thread that waits for a server is waited for, and no `atexit` is run."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or nobody reads it
            stream.flush()
    os._exit(code)


def _say_last_words() -> None:
    from stream_rec import logs

    logs.get("worker").warning(
        "the stop takes too long: the process ends now; what it did not finish will be redelivered",
        after_seconds=LEAVE_SECONDS,
    )


def _noticed(_number: int, _frame: object) -> None:
    """The pipe has been written to already; this only keeps Python from ending the process its own way."""


def _by_python(code: int) -> None:
    timer = threading.Timer(LEAVE_SECONDS, os._exit, (code,))
    timer.daemon = True
    timer.start()


def _by_the_c_library() -> Callable[[int], None]:
    """A function that starts a timer whose thread calls `_exit(code)` (POSIX `timer_create`, SIGEV_THREAD).

    Raises:
        OSError: no such library.
        AttributeError: it has no timers.
    """
    import ctypes

    class Event(ctypes.Structure):
        """`struct sigevent` of Linux on 64 bits: the value that is handed to the function stands first."""

        _fields_ = (
            ("value", ctypes.c_long),
            ("signo", ctypes.c_int),
            ("notify", ctypes.c_int),
            ("function", ctypes.c_void_p),
            ("attributes", ctypes.c_void_p),
            ("padding", ctypes.c_byte * 32),
        )

    class Times(ctypes.Structure):
        """`struct itimerspec`."""

        _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))

    library = ctypes.CDLL(None)
    exit_, create, set_time = library._exit, library.timer_create, library.timer_settime
    whole = int(LEAVE_SECONDS)
    times = Times(0, 0, whole, int((LEAVE_SECONDS - whole) * 1e9))

    def start(code: int) -> None:
        timer = ctypes.c_void_p()
        event = Event(code, 0, _SIGEV_THREAD, ctypes.cast(exit_, ctypes.c_void_p))
        if create(_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) or set_time(
            timer, 0, ctypes.byref(times), None
        ):
            _by_python(code)

    return start


STOP = StopSignal()
"""The process's own."""
