"""Outcomes of shown slates: impressions joined with later interactions, inside a window of event time.

Part of the engine's state: bounded arrays, no clock, and a fold over single records, so learning `a + b` leaves the
same bits as learning `a`, then `b`. Impressions and interactions may be learned in any order of the two topics.

An interaction is credited to the user's latest impression that showed the item at most `attribution_window_seconds`
before it. All that follows from an impression is counted in the broker-time window of the impression itself (its
*cell*): rates compare like with like, and a cell grows until the attribution window is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.feedback.trial_outcomes import TrialOutcomes
from stream_rec.kernels import attribution as kernels
from stream_rec.kernels.attribution import Shown
from stream_rec.kernels.attribution_state import (
    CONVERSION,
    COUNTERS,
    DWELL,
    EXPOSURE,
    IN_CART,
    INTERACTION,
    N_SUMS,
    UNPRICED,
    AttributionState,
    Places,
    Ring,
)
from stream_rec.kernels.reference import refer
from stream_rec.kernels.shown import N_REGISTERS, NO_LABEL, TOTALS, WAYS, Cells, ItemCounts
from stream_rec.kernels.trial_state import MAX_ARMS, NO_TRIAL, TrialState
from stream_rec.schemas.event_types import EventType, EventTypes
from stream_rec.schemas.experiment import Experiment
from stream_rec.settings import MeasureSettings
from stream_rec.telemetry.labels import LabelNames, NameKind, scenario_of, variant_of

FORM = 3
"""Of the records and counters; snapshots say it. Without it, it is 1 (`engine.state.older`)."""
_GROUPS = ("exposures", "places", "interactions", "items", "cells")


class Attribution:
    """Bounded join of impressions and interactions.

    Args:
        settings: bounds and the attribution window.
        types: which event types are conversions, and what their values are.
        max_items: items whose use is counted (for novelty); the least recently used are evicted.
        scenarios: configured ones; others have a label while there is room and they are in use (`LabelNames`), else
            `other`.
        session_gap_seconds: after which a user's session is over, for bounces.

    Attributes:
        trials: what users of experiments did.
    """

    def __init__(
        self,
        settings: MeasureSettings,
        types: EventTypes,
        *,
        max_items: int,
        scenarios: Sequence[str],
        session_gap_seconds: float = 1800.0,
    ) -> None:
        self._window = settings.attribution_window_seconds
        self._window_ms = settings.window_seconds * 1000
        self._kinds = {name: _kind(types.row(name)) for name in types.names}
        self._kinds["cart"] = self._kinds.get("cart", 0) | IN_CART
        # A name may lose its label once no outcome can be credited to what was shown under it.
        age_windows = 2 + int(settings.attribution_window_seconds // settings.window_seconds)
        self.names = LabelNames(scenarios, age_windows)
        self.trials = TrialOutcomes(settings.max_trial_users)
        self._gap = session_gap_seconds
        self.state = _empty(settings, max_items, self.trials.state)
        self.handle: AttributionState = refer(self.state)
        """On the state, for kernels that read it beside others."""

    def expose(
        self,
        users: NDArray[np.uint64],
        items: NDArray[np.uint64],
        ends: NDArray[np.int64],
        ts: NDArray[np.float64],
        broker_ts: NDArray[np.int64],
        *,
        partition: int,
        scenarios: Sequence[str],
        variants: Sequence[str | None],
        returning: Sequence[bool] | NDArray[np.bool_],
        shown: Shown | None = None,
    ) -> None:
        """Learn n impressions of one partition, in log order.

        Args:
            users: [n], hashes.
            items: [sum of lengths], hashes in the order shown; of each impression the first 200 are kept.
            ends: [n], where each impression's items end.
            ts: [n], event time in seconds.
            broker_ts: [n], ms: the window it is counted in.
            partition: of the topic `impressions`.
            scenarios: [n].
            variants: [n], arm of an experiment; empty or None = none.
            returning: [n], had the user been here before the present session.
            shown: arms, slates and teams; None = of none.
        """
        if shown is None:
            shown = self.shown(np.full(len(users), NO_TRIAL, np.int64), np.zeros(len(users), np.uint64))
        windows = broker_ts // self._window_ms
        labels: NDArray[np.int32] = np.empty(len(users), np.int32)
        learned = 0

        def learn(until: int) -> None:
            nonlocal learned
            some = slice(learned, until)
            first = ends[learned - 1] if learned else 0
            kernels.expose(
                self.state,
                users[some],
                labels[some],
                items[first:],
                ends[some] - first,
                ts[some],
                windows[some],
                Shown(
                    shown.trials[some],
                    shown.slates[some],
                    shown.past[some],
                    shown.teams[first:],
                    shown.gap,
                ),
                partition,
                self._window,
            )
            learned = until

        def retire(kind: NameKind, code: int, before: int) -> None:
            learn(before)
            self._retire(kind, code, before)

        self.names.codes(scenarios, variants, returning, windows, retire, labels)
        learn(len(users))

    def shown(
        self,
        trials: NDArray[np.int64],
        slates: NDArray[np.uint64],
        past: NDArray[np.float64] | None = None,
        teams: NDArray[np.uint8] | None = None,
    ) -> Shown:
        """For `expose`, which changes `trials`."""
        return Shown(
            trials,
            slates,
            np.zeros(len(trials)) if past is None else past,
            np.zeros(0, np.uint8) if teams is None else teams,
            self._gap,
        )

    def interact(
        self,
        users: NDArray[np.uint64],
        items: NDArray[np.uint64],
        ts: NDArray[np.float64],
        event_types: Sequence[str],
        values: NDArray[np.float32],
        slates: NDArray[np.uint64] | None = None,
    ) -> NDArray[np.int32]:
        """Learn n interactions, in log order.

        Args:
            users: [n], hashes.
            items: [n], hashes.
            ts: [n], event time in seconds.
            event_types: [n], of interest only; any counts as a click, some also as conversion or dwell (settings).
            values: [n], NaN = none.
            slates: [n], hashes of the slates that they name, 0 = none; None = none names any.

        Returns:
            int32 [n]: place (from 1) of the item in the impression it was credited to; 0 = none (yet: it may still be
            joined when an impression from before it is learned later).
        """
        kind_of = self._kinds.get
        kinds = np.fromiter([kind_of(t, 0) for t in event_types], np.uint8, len(event_types))
        ranks = np.empty(len(users), np.int32)
        named = np.zeros(len(users), np.uint64) if slates is None else slates
        kernels.interact(self.state, users, items, ts, kinds, values, named, self._gap, self._window, ranks)
        return ranks

    def follow(self, experiments: Mapping[str, Experiment]) -> None:
        """These are decided now: a mapping that is replaced when one changes.

        What is still done with slates of an experiment that has given way to another is no outcome of the other.
        """
        for slot in self.trials.follow(experiments):
            trial = self.state.exposures.entries["trial"][: int(self.state.counters["next_exposure"][0])]
            trial[trial // MAX_ARMS == slot] = NO_TRIAL
            self.trials.forget_purchases(slot)

    def forget_user(self, user: np.uint64) -> None:
        """Delete everything that was shown to or done by the user (a hash); sums are kept."""
        for owners in self._owners():
            owners[owners == user] = 0  # the hash of no id: the chains stay whole
        self.trials.forget_user(user)

    def count_user(self, user: np.uint64) -> int:
        """How many impressions of and interactions by the user (a hash) are held."""
        return sum(int(np.count_nonzero(owners == user)) for owners in self._owners())

    def _owners(self) -> Iterator[NDArray[np.uint64]]:
        """Whose the entries of each ring are; only as far as it was ever filled."""
        counters = self.state.counters[0]
        for ring, n in (
            (self.state.exposures, counters["next_exposure"]),
            (self.state.interactions, counters["next_interaction"]),
        ):
            yield ring.entries["user"][: int(n)]

    def stats(self) -> dict[str, float]:
        """Open impressions, items counted, and outcomes that came after their cell was evicted."""
        counters = self.state.counters[0]
        return {
            "open_impressions": float(counters["next_exposure"] - counters["oldest_exposure"]),
            "counted_items": float(self.state.items.totals["kept_items"][0]),
            "lost_outcomes": float(counters["lost_outcomes"]),
            **self.trials.stats(),
        }

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The whole state by name: the memory itself, not copies; records as bytes, counters as int64."""
        named: dict[str, NDArray[np.generic]] = {
            "counters": _counted(self.state.counters),
            "labels": self.names.table,
            "labels_used": self.names.used,
            "form": np.array([FORM], np.int64),
        }
        for group in _GROUPS:
            for field, array in getattr(self.state, group)._asdict().items():
                named[f"{group}.{field}"] = _counted(array) if array.dtype == TOTALS else _plain(array)
        return named

    def load(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a state that `arrays` gave.

        Raises:
            ConfigError: as for `check`; nothing is changed then.
        """
        self.check(arrays)
        for name, array in self.arrays().items():
            array[...] = arrays[name]
        self.names.reload(self._retire)

    def _retire(self, kind: NameKind, code: int, before: int) -> None:  # noqa: ARG002
        """Cells of a name that loses its code are no longer reported."""
        label = self.state.cells.label
        of_name = scenario_of(label) if kind is NameKind.SCENARIO else variant_of(label)
        label[(label != NO_LABEL) & (of_name == code)] = NO_LABEL

    def check(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Check that `load` can take these.

        Raises:
            ConfigError: they were made with other bounds, or one is missing.
        """
        for name, array in self.arrays().items():
            other = arrays.get(name)
            if other is None or other.shape != array.shape or other.dtype != array.dtype:
                raise ConfigError(
                    f"attribution state {name!r} does not fit: {_form(other)} where {_form(array)} is wanted",
                    fix="start with the measure and engine bounds the snapshot was made with, or without it",
                )


def _kind(row: EventType) -> int:
    kind = DWELL if row.value == "dwell" else 0
    if row.is_conversion:
        kind |= CONVERSION if row.value == "price" else CONVERSION | UNPRICED
    return kind


def _plain(array: NDArray[Any]) -> NDArray[np.generic]:
    return array.view(np.uint8) if array.dtype.names else array


def _counted(counters: NDArray[np.void]) -> NDArray[np.generic]:
    return counters.view(np.int64)


def _form(array: NDArray[np.generic] | None) -> str:
    return "nothing" if array is None else f"{array.dtype}{list(array.shape)}"


def _chains(entries: int) -> NDArray[np.int64]:
    """Empty chain heads for a ring of so many entries."""
    return np.full(1 << (entries - 1).bit_length(), -1, np.int64)


def _empty(settings: MeasureSettings, max_items: int, trials: TrialState) -> AttributionState:
    n, m, c = settings.max_open_impressions, settings.max_recent_interactions, settings.max_outcome_cells
    p = settings.max_open_places
    # Half full on average, so that sets rarely overflow while there is room elsewhere.
    sets = 1 << max(0, (2 * max_items // WAYS - 1).bit_length())
    return AttributionState(
        exposures=Ring(np.zeros(n, EXPOSURE), _chains(n)),
        places=Places(item=np.zeros(p, np.uint32), done=np.zeros(p, np.uint8)),
        interactions=Ring(np.zeros(m, INTERACTION), _chains(m)),
        items=ItemCounts(
            item=np.zeros((sets, WAYS), np.uint64),
            uses=np.zeros((sets, WAYS), np.int64),
            touched=np.zeros((sets, WAYS), np.int64),
            totals=np.zeros(1, TOTALS),
        ),
        cells=Cells(
            partition=np.zeros(c, np.int32),
            window=np.zeros(c, np.int64),
            label=np.zeros(c, np.int32),
            sums=np.zeros((c, N_SUMS), np.float64),
            registers=np.zeros((c, N_REGISTERS), np.uint8),
            before=np.zeros(c, np.int64),
            heads=_chains(2 * c),
            next_number=np.zeros(1, np.int64),
        ),
        counters=np.zeros(1, COUNTERS),
        trials=trials,
    )
