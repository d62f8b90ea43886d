"""Structured logs on stderr: key=value for people, JSON when asked."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from stream_rec.settings.masking import hidden


def configure(level: str = "info", *, as_json: bool = False) -> None:
    """Set up structlog once, at the start of a program."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
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
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def get(stage: str) -> Any:
    """A logger bound to one stage: ingest, learn, index, recommend, measure (or the program's name)."""
    return structlog.get_logger(stage=stage)
