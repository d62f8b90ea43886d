"""The models that scenarios name: loaded beside the engine, asked within their time, left out where they fail."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.errors import ConfigError, StreamRecError
from stream_rec.logs import Occasional
from stream_rec.rerank import OUTCOMES
from stream_rec.rerank.files import read
from stream_rec.rerank.model import Candidates, Model
from stream_rec.rerank.runner import Runner
from stream_rec.schemas.scenario import Rerank
from stream_rec.settings import RerankSettings

_File = tuple[str, str]


class _Slot:
    """One model. The engine's thread, but for `runner` and `failed_at`, which the loading thread sets once each."""

    def __init__(self, now: float) -> None:
        self.runner: Runner | None = None
        self.failed_at: float | None = None
        self.asked_at = now
        self.late = 0
        self.rests_until = float("-inf")


class Rerankers:
    """Asks models for scores. One thread asks; files are read in others.

    Args:
        settings: folder and bounds.
        clock: of rests and retries.
        waits: a model is loaded when it is first asked, and its faults are raised: for commands.
    """

    def __init__(self, settings: RerankSettings, clock: Clock, *, waits: bool = False) -> None:
        self._settings = settings
        self._clock = clock
        self._waits = waits
        self._slots: OrderedDict[_File, _Slot] = OrderedDict()
        self._counts: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._log = logs.get("recommend")
        self._lines = Occasional(clock, settings.retry_seconds)

    def want(self, wanted: Iterable[Rerank]) -> None:
        """These will be asked: load them."""
        for rerank in wanted:
            self._slot(rerank)

    def scores(self, rerank: Rerank, candidates: Candidates) -> NDArray[np.float64] | None:
        """A score for each candidate; None = the slate goes without, and it is counted why.

        Raises:
            StreamRecError: if it waits: the model cannot be loaded, or asked.
        """
        found, outcome = self._ask(rerank, candidates)
        self._counts[outcome] += 1
        return found

    def stats(self) -> dict[str, float]:
        """Slates since the start, by what became of them."""
        return {f"rerank_{outcome}": float(n) for outcome, n in self._counts.items()}

    def _ask(self, rerank: Rerank, candidates: Candidates) -> tuple[NDArray[np.float64] | None, str]:
        slot = self._slot(rerank)
        if slot is None or slot.failed_at is not None:
            return None, "failed"
        if slot.runner is None:
            return None, "loading"
        now = slot.asked_at = self._clock.monotonic()
        if now < slot.rests_until:
            return None, "resting"
        try:
            feed = slot.runner.model.feed(candidates)
            found = slot.runner.ask(feed, len(candidates.scores), rerank.budget_ms / 1000.0)
        except StreamRecError as error:
            if self._waits:
                raise
            self._say(rerank, error)
            return None, "failed"
        if found is None:
            slot.late += 1
            if slot.late >= self._settings.late_in_a_row:
                slot.late, slot.rests_until = 0, self._clock.monotonic() + self._settings.rest_seconds
            return None, "late"
        slot.late = 0
        return found, "reranked"

    def _slot(self, rerank: Rerank) -> _Slot | None:
        """The model's, which may still be loading; None = there is no room for another one."""
        file, now = (rerank.model, rerank.sha256), self._clock.monotonic()
        slot = self._slots.get(file)
        retry = self._settings.retry_seconds
        if slot is not None and (slot.failed_at is None or now - slot.failed_at < retry):
            self._slots.move_to_end(file)
            return slot
        if slot is None and len(self._slots) >= self._settings.max_models:
            oldest, least = next(iter(self._slots.items()))
            if now - least.asked_at < retry and least.failed_at is None:
                most = self._settings.max_models
                full = ConfigError(f"{most} other models are in use", fix="raise rerank.max_models")
                self._say(rerank, full)
                return None
            del self._slots[oldest]
            if least.runner is not None:
                least.runner.close()
        slot = self._slots[file] = _Slot(now)
        if self._waits:
            slot.runner = Runner(Model(read(rerank, self._settings), self._settings.threads))
        else:
            threading.Thread(target=self._load, args=(slot, rerank), name="rerank-load", daemon=True).start()
        return slot

    def _load(self, slot: _Slot, rerank: Rerank) -> None:
        try:
            slot.runner = Runner(Model(read(rerank, self._settings), self._settings.threads))
            self._log.info("a model re-ranks", model=rerank.model, inputs=list(slot.runner.model.inputs))
        except StreamRecError as error:
            slot.failed_at = self._clock.monotonic()
            self._say(rerank, error)

    def _say(self, rerank: Rerank, error: StreamRecError) -> None:
        if self._lines.note(rerank.model):
            self._log.error("slates go without their re-ranking model", model=rerank.model, why=str(error))
