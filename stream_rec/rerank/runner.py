"""Runs of one model in a thread of its own, so that whoever waits for one may leave."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.rerank.model import BadAnswer, Model


@dataclass(slots=True)
class _Run:
    feed: dict[str, NDArray[Any]]
    n: int
    options: Any
    ended: threading.Event = field(default_factory=threading.Event)
    scores: NDArray[np.float64] | None = None
    error: BadAnswer | None = None


class Runner:
    """At most one run at a time, and none that waits.

    Args:
        model: what is run.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._wanted: SimpleQueue[_Run | None] = SimpleQueue()
        self._last: _Run | None = None
        # A daemon: a run that never ends must not keep the process.
        threading.Thread(target=self._work, name="rerank", daemon=True).start()

    def ask(self, feed: dict[str, NDArray[Any]], n: int, seconds: float) -> NDArray[np.float64] | None:
        """Scores of n candidates; None = they were not there in time, or a run before has not ended yet.

        Args:
            feed: of `Model.feed`.
            n: candidates.
            seconds: that are waited at most; the run is told to end then.

        Raises:
            BadAnswer: as of `Model.run`.
        """
        if self._last is not None and not self._last.ended.is_set():
            return None
        run = self._last = _Run(feed, n, self.model.options())
        self._wanted.put(run)
        if not run.ended.wait(seconds):
            run.options.terminate = True
            return None
        if run.error is not None:
            raise run.error
        return run.scores

    def close(self) -> None:
        """End the thread, after the run that it is at."""
        if self._last is not None:
            self._last.options.terminate = True
        self._wanted.put(None)

    def _work(self) -> None:
        while (run := self._wanted.get()) is not None:
            try:
                run.scores = self.model.run(run.feed, run.n, run.options)
            except BadAnswer as error:
                run.error = error
            finally:
                run.ended.set()
