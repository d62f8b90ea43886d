"""Tells the journal in which order the engine learns (stream_rec.history.journal.journal)."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from stream_rec.bus.skips import noted
from stream_rec.clock import Clock
from stream_rec.engine.engine import Engine
from stream_rec.history.journal.journal import STATE_NOTE, Journal
from stream_rec.schemas.columns import Span
from stream_rec.schemas.records import TopicName
from stream_rec.settings import JournalSettings


class LearnOrder:
    """One worker's journal, or none, if `journal.folder` is not set. Engine's thread only, once it runs.

    Args:
        settings: folder and bounds of the journal.
        engine: the engine as it starts.
        notes: of the start: the state that the journal goes on from, and what is skipped.
        topic_ids: incarnation of each topic of the log.
        clock: names segments.
    """

    def __init__(
        self,
        settings: JournalSettings,
        engine: Engine,
        notes: Mapping[str, Any],
        topic_ids: Mapping[TopicName, str],
        clock: Clock,
    ) -> None:
        self._journal: Journal | None = None
        if settings.folder:
            self._journal = Journal(
                settings,
                Path(settings.folder),
                worker=re.sub(r"[^A-Za-z0-9.-]", "-", f"{socket.gethostname()}-{os.getpid()}"),
                topic_ids={str(name): topic_id for name, topic_id in topic_ids.items()},
                clock=clock,
                positions=engine.position,
                base=str(notes.get(STATE_NOTE, "")),
            )
            if skip := noted(notes):
                self._journal.skips(skip)

    def learned(self, span: Span, first: int, n: int) -> None:
        """A span was learned from `first` on: n records."""
        if self._journal is not None:
            self._journal.ran(span.topic, span.partition, first, span.next, n)

    def notes(self) -> dict[str, str]:
        """What a snapshot of the engine as of now is to remember."""
        state = self._journal.saved() if self._journal is not None else ""
        return {STATE_NOTE: state} if state else {}

    def keep(self, states: Collection[str]) -> None:
        """Older snapshots than these are gone."""
        if self._journal is not None:
            self._journal.keep(states)

    def flush(self) -> None:
        """Flush the journal to the operating system."""
        if self._journal is not None:
            self._journal.flush()
