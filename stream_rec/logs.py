"""Structured logs on stderr: key=value for people, JSON when asked."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from stream_rec.clock import Clock
from stream_rec.settings.masking import hidden


def configure(level: str = "info", *, as_json: bool = False) -> None:
    """Set up structlog once, at the start of a program."""
    number = logging.getLevelNamesMapping()[level.upper()]
    _form.number, _form.as_json = number, as_json
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=bool(sys.stderr and sys.stderr.isatty()))
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            # On the whole line: an exception's text may hold what a server sent back.
            lambda logger, method, event: hidden(renderer(logger, method, event)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _STDERR,
        cache_logger_on_first_use=True,
    )


class Lines:
    """Lines of one event that comes thousands of times a second: as structlog's at level info, at a tenth of the CPU.

    Args:
        stage: as of `get`.
        event: what happened, the same each time.
        clock: stamps them.
    """

    def __init__(self, stage: str, event: str, clock: Clock) -> None:
        self._stage = stage
        self._event = event
        self._clock = clock
        self._second = 0
        self._day_and_time = ""

    def write(self, **fields: str | int | float) -> None:
        """Write one; nothing in it may be secret."""
        if _form.number > logging.INFO:
            return
        now = self._clock.now()
        second = int(now)
        if second != self._second:
            self._second, self._day_and_time = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        stamp = f"{self._day_and_time}.{int((now - second) * 1_000_000):06d}Z"
        if _form.as_json:
            line = {"stage": self._stage, **fields, "event": self._event, "level": "info", "timestamp": stamp}
            _STDERR.msg(msgspec.json.format(_line(line), indent=0).decode())
        else:
            said = " ".join([f"{name}={value}" for name, value in fields.items()])
            _STDERR.msg(f"{stamp} [info     ] {self._event:<30} {said} stage={self._stage}")


@dataclass(slots=True)
class _Form:
    """What `configure` was told.

    Attributes:
        number: the least level that is written, as of `logging`.
        as_json: one JSON object per line.
    """

    number: int = logging.INFO
    as_json: bool = False


_form = _Form()
_line = msgspec.json.Encoder().encode


def get(stage: str) -> Any:
    """A logger bound to one stage: ingest, learn, index, recommend, measure (or the program's name)."""
    return structlog.get_logger(stage=stage)


class _Stderr:
    """Writes lines to what `sys.stderr` is at that moment. Thread-safe.

    A reader that has gone (`2>&1 | head`) or a full disk must not stop what is being done, so a line that cannot be
    written is lost; the next one that can be written is preceded by how many were.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_lost = 0

    def msg(self, message: str) -> None:
        """Write one line."""
        with self._lock:
            text = f"{message}\n"
            if self._n_lost:
                text = f"stderr could not be written to: {self._n_lost} lines of log are lost\n{text}"
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            except (OSError, ValueError, AttributeError):  # it is closed, or there is none
                self._n_lost += 1
            else:
                self._n_lost = 0

    debug = info = warning = error = critical = msg


_STDERR = _Stderr()


class Occasional:
    """Bounds lines that would otherwise be logged for every record or attempt. Thread-safe.

    The first of each kind is told at once, what follows once in a while with its number. Kinds beyond the bound are
    told together.

    Args:
        clock: processing time.
        every_seconds: between two lines of one kind, at least.
        max_kinds: told apart.
    """

    def __init__(self, clock: Clock, every_seconds: float = 60.0, max_kinds: int = 64) -> None:
        self._clock = clock
        self._every_seconds = every_seconds
        self._max_kinds = max_kinds
        self._told_at: dict[Hashable, float] = {}
        self._untold: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    def note(self, kind: Hashable, n: int = 1) -> int:
        """Take in n more of a kind; how many to tell of now, 0 = none yet."""
        now = self._clock.monotonic()
        with self._lock:
            if kind not in self._told_at and len(self._told_at) >= self._max_kinds:
                kind = None
            self._untold[kind] += n
            return self._take(kind) if self._may_tell(kind, now) else 0

    def overdue(self) -> dict[Hashable, int]:
        """What was held back and may be told now, by kind; None = of all kinds beyond the bound."""
        now = self._clock.monotonic()
        with self._lock:
            return {kind: self._take(kind) for kind in list(self._untold) if self._may_tell(kind, now)}

    def _may_tell(self, kind: Hashable, now: float) -> bool:
        if now - self._told_at.get(kind, float("-inf")) < self._every_seconds:
            return False
        self._told_at[kind] = now
        return True

    def _take(self, kind: Hashable) -> int:
        return self._untold.pop(kind, 0)
