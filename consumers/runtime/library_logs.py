"""What Faust, aiokafka, librdkafka and others log: in our format, and few lines however long something is away."""

from __future__ import annotations

import logging
from typing import Any

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from stream_rec import logs
from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import StreamRecError

_OF_SERVERS = (OSError, TimeoutError, KafkaError, KafkaException, StreamRecError)
_MAX_KINDS = 8
"""Kinds of lines a minute; all others are one kind more."""
_LONGEST_CHARACTERS = 500


class _Forward(logging.Handler):
    """Passes warnings and worse on: the first of each library and place in its code, then one a minute."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(logging.WARNING)
        self._log: Any = logs.get("ingest")
        self._lines = logs.Occasional(clock, max_kinds=_MAX_KINDS)

    def emit(self, record: logging.LogRecord) -> None:
        """One line, with the library's name; a traceback only of what is no matter of servers."""
        n = self._lines.note(_kind(record))
        if not n:
            return
        say = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        more: dict[str, Any] = {"lines": n} if n > 1 else {}
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _OF_SERVERS):
            more["why"] = _one_line(repr(error))
        elif error is not None:
            more["exc_info"] = error
        say(_one_line(record.getMessage()), library=record.name, **more)


def _kind(record: logging.LogRecord) -> tuple[object, ...]:
    """Libraries put addresses and numbers into the text: where it is logged tells more."""
    first_word = record.getMessage().partition(" ")[0]
    return (record.name.partition(".")[0], record.filename, record.lineno, first_word)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_CHARACTERS]


def forward(clock: Clock | None = None) -> None:
    """Send the libraries' warnings through our logs; safe to call again.

    aiokafka warns at every rebalance, which is nothing to worry about: of it only errors.
    """
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    root = logging.getLogger()
    if not any(isinstance(handler, _Forward) for handler in root.handlers):
        root.addHandler(_Forward(clock or SystemClock()))
