"""An engine with a witness: whatever the engine learns is counted beside it, and kept with it in snapshots."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.bench.chaos.shoppers import COUNTED, TRIAL
from stream_rec.bench.chaos.steering import GUEST, SCENARIOS, SPACE, Decided, as_text, hash_of
from stream_rec.bench.chaos.tally import Tally, Testimony
from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.active import user_ids
from stream_rec.engine.learning.people import Forgotten
from stream_rec.engine.names import n_rows, name_of
from stream_rec.engine.results import Learned
from stream_rec.engine.spaces.indexes import slot_of
from stream_rec.engine.spaces.learning import Refused
from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.schemas.columns import EventBatch, ImpressionBatch, ItemBatch, Span, VectorBatch
from stream_rec.schemas.decisions import DecisionBatch, hash_name
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import EngineSettings, MeasureSettings

NO_MUTATION = "none"
_ARRAY = "witness.tally"
"""Its name in snapshots; restoring an engine passes over names that it does not know."""
_GUESTS = re.compile(GUEST.encode() + rb"\d+-of-chaos")


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

    def upsert_items(self, batch: ItemBatch) -> int:
        """As the engine does."""
        with self._asked:
            return super().upsert_items(batch)

    def learn_impressions(self, batch: ImpressionBatch) -> None:
        """As the engine does."""
        with self._asked:
            super().learn_impressions(batch)

    def learn_vectors(self, batch: VectorBatch) -> list[Refused]:
        """As the engine does."""
        with self._asked:
            return super().learn_vectors(batch)

    def learn_control(self, batch: DecisionBatch) -> list[Forgotten]:
        """As the engine does."""
        with self._asked:
            return super().learn_control(batch)

    def testimony(self) -> Testimony:
        """What was counted, what users' histories hold, what was decided, which guests are known, what arms earned."""
        with self._asked:
            rows = np.flatnonzero(self.state.users.lengths[: n_rows(self.state.users)] >= 0).astype(np.int32)
            n_events = self.state.histories.n_events[rows].tolist()
            histories = zip(user_ids(self, rows), n_events, strict=True)
            return msgspec.structs.replace(
                self._tally.shown(),
                histories={user: n for user, n in histories if not user.startswith(GUEST)},
                decided=self._decided(),
                guests=self._guests(),
                outcomes=outcomes(self),
            )

    def _decided(self) -> Decided:
        state, slot = self.state, slot_of(self.state, SPACE)
        has = np.flatnonzero(state.spaces.has[: n_rows(state.items), slot]).tolist() if slot >= 0 else []
        return Decided(
            {name: as_text(each) for name, each in self.decisions.scenarios.items() if name in SCENARIOS},
            sorted(name_of(state.hidden, row) for row in range(n_rows(state.hidden))),
            {name_of(state.items, row): hash_of(state.spaces.vectors[slot, row]) for row in has},
            [hash_name(user) for user in self.decisions.arrays().get("erased", np.zeros(0)).tolist()],
        )

    def _guests(self) -> list[str]:
        """Guests whose ids stand anywhere in the bytes of the users' vocabulary, whether they have a row or not."""
        return sorted({found.decode() for found in _GUESTS.findall(self.state.users.arena.tobytes())})

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
        events = zip(batch.offsets.tolist(), *ids, strict=True)
        self._tally.add(batch.span.partition, (each for each in events if not each[2].startswith(GUEST)))


def outcomes(engine: Engine) -> dict[str, float]:
    """What users of the experiment did, as the engine counts it: in the form of `shoppers.Join.counts`."""
    found = engine.attribution.trials.totals(TRIAL)
    if found is None:
        return {}
    arms, table = found
    at = [OUTCOMES.index(outcome) for outcome in COUNTED]
    return {
        f"{arms[arm]}/{bucket}/{COUNTED[outcome]}": float(table[arm, bucket, at[outcome]])
        for arm, bucket, outcome in np.argwhere(table[:, :, at]).tolist()
    }


class Unguarded(WitnessedEngine):
    """The mutation `position-guard`: a batch is learned from its start, whatever was learned before."""

    def _position_for(self, span: Span) -> int:
        return span.start


MUTATIONS: Mapping[str, type[WitnessedEngine]] = {"position-guard": Unguarded}
"""What the witness must catch, by name."""
