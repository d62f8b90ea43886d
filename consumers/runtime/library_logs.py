"""What Faust, aiokafka and others log, in our format."""

from __future__ import annotations

import logging
from typing import Any

from stream_rec import logs


class _Forward(logging.Handler):
    """Passes warnings and worse on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._log: Any = logs.get("ingest")

    def emit(self, record: logging.LogRecord) -> None:
        """One line, with the library's name."""
        say = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        say(record.getMessage(), library=record.name, exc_info=record.exc_info)


def forward() -> None:
    """Send the libraries' warnings through our logs; safe to call again.

    aiokafka warns at every rebalance, which is nothing to worry about: of it only errors.
    """
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    root = logging.getLogger()
    if not any(isinstance(handler, _Forward) for handler in root.handlers):
        root.addHandler(_Forward())
