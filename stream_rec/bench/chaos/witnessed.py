"""An engine with a witness: whatever the engine learns is counted beside it, and kept with it in snapshots."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.bench.chaos.tally import Tally, Testimony
from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.active import user_ids
from stream_rec.engine.names import n_rows
from stream_rec.engine.results import Learned
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import EngineSettings, MeasureSettings

NO_MUTATION = "none"
_ARRAY = "witness.tally"
"""Its name in snapshots; restoring an engine passes over names that it does not know."""


class WitnessedEngine(Engine):
    """Counts what `learn` says it has learned; may be asked for its testimony from any thread.

    The tally is written into snapshots at the same moment as the engine's arrays and positions, and comes back with
    them: if these three are not of one moment, an event is lost or doubled after the restore, and the counts show it.
    """

    def __init__(self, settings: EngineSettings, measure: MeasureSettings | None = None) -> None:
        super().__init__(settings, measure)
        self._tally = Tally()
        self._asked = threading.Lock()

    def learn(self, batch: EventBatch, **options: Any) -> Learned:
        """As the engine does."""
        with self._asked:
            learned = super().learn(batch, **options)
            new = np.delete(np.arange(len(batch)), learned.repeated)
            self._count(batch.only(new[len(new) - learned.n_learned :]))
        return learned

    def testimony(self) -> Testimony:
        """What was counted, and what the histories of users hold."""
        with self._asked:
            rows = np.arange(n_rows(self.state.users), dtype=np.int32)
            n_events = self.state.histories.n_events[rows].tolist()
            histories = dict(zip(user_ids(self, rows), n_events, strict=True))
            return msgspec.structs.replace(self._tally.shown(), histories=histories)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """With the tally."""
        raw = msgspec.json.encode(self._tally.shown())
        return super().snapshot() | {_ARRAY: np.frombuffer(raw, np.uint8)}

    def restore(self, arrays: Mapping[str, NDArray[Any]], position: Mapping[TopicPartition, int]) -> None:
        """With the tally."""
        super().restore(arrays, position)
        self._tally = Tally.of(msgspec.json.decode(arrays[_ARRAY].tobytes(), type=Testimony))

    def _count(self, batch: EventBatch) -> None:
        columns = (batch.event_ids, batch.users, batch.items)
        ids = [column.to_list() for column in columns]
        self._tally.add(batch.span.partition, zip(batch.offsets.tolist(), *ids, strict=True))


class Unguarded(WitnessedEngine):
    """The mutation `position-guard`: a batch is learned from its start, whatever was learned before."""

    def _position_for(self, span: Span) -> int:
        return span.start


MUTATIONS: Mapping[str, type[WitnessedEngine]] = {"position-guard": Unguarded}
"""What the witness must catch, by name."""
