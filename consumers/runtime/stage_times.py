"""How long a batch spends in each stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from stream_rec.feedback.measures import Measures
from stream_rec.schemas.columns import Span


@dataclass(slots=True)
class StageTimes:
    """Seconds by stage of one batch. Stages of one batch never overlap, so any thread may add."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def report(self, measures: Measures, span: Span, events: int) -> None:
        """Hand everything to the measures."""
        for stage, seconds in self.seconds.items():
            measures.time_stage(span, stage, seconds, events)
