"""Outcomes of users in experiments: a part of what is learned, the same on every worker, since each learns the log.

Which arm an impression was of, it says itself (`experiment`, `variant`); what its user then did is credited by the join
of impressions and interactions (`attribution`). So every amount is counted once, when the record is learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.kernels.trial_state import (
    MAX_ARMS,
    NO_TRIAL,
    PURCHASE_MADE,
    TEAM_A,
    TEAM_B,
    TRIAL_USER,
    empty,
)
from stream_rec.kernels.trials import refill, refill_purchases
from stream_rec.schemas.experiment import Experiment

MAX_TRIALS = 16
"""Experiments whose outcomes are kept, at once: those that are over give way to new ones, the oldest first."""


class Slot(NamedTuple):
    """Where an experiment is counted.

    Attributes:
        name: its name.
        started: when it began, seconds: a name may be used again.
        arms: names, in their order.
    """

    name: str
    started: float
    arms: tuple[str, ...]


_slots = msgspec.msgpack.Decoder(list[Slot | None]).decode


class TrialOutcomes:
    """The table, and which experiment has which part of it.

    Args:
        max_users: of all experiments together; slates of others are not counted, in any arm.
    """

    def __init__(self, max_users: int) -> None:
        self.state = empty(max_users, MAX_TRIALS)
        self._slots: list[Slot | None] = [None] * MAX_TRIALS
        self._known: Mapping[str, Experiment] = {}
        self._log = logs.get("measure")

    def follow(self, experiments: Mapping[str, Experiment]) -> list[int]:
        """These are decided now: a mapping that is replaced when one changes. Users come with those that are live.

        Returns:
            Slots that were another experiment's until now.
        """
        if experiments is self._known:
            return []
        self._known = experiments
        live = {name: each for name, each in experiments.items() if each.is_live}
        taken = []
        for name in sorted(live, key=lambda each: (live[each].started, each)):
            wanted = Slot(name, live[name].started, tuple(arm.name for arm in live[name].arms))
            if wanted not in self._slots and (slot := self._take(wanted)) is not None:
                taken.append(slot)
        return taken

    def codes(
        self, scenarios: Sequence[str], variants: Sequence[str], experiments: Sequence[str]
    ) -> NDArray[np.int64]:
        """[n]: what the kernels call the arm that each impression names; `NO_TRIAL` = none that is counted now.

        Without the experiment's name it is the first that has such an arm in the scenario.
        """
        codes = np.full(len(variants), NO_TRIAL, np.int64)
        if not any(variants):
            return codes
        of_names: dict[tuple[str, str, str], int] = {}
        for n, names in enumerate(zip(scenarios, variants, experiments, strict=True)):
            if names[1]:
                if names not in of_names:
                    of_names[names] = self._code(*names)
                codes[n] = of_names[names]
        return codes

    def teams(self, variants: Sequence[str], teams: Sequence[Sequence[str]]) -> NDArray[np.uint8]:
        """[total shown]: bits of the places of interleaved slates; empty = there is none.

        Args:
            variants: [n], of the impressions; `<control>+<arm>` of interleaved ones.
            teams: [n], of each impression's items the arm that brought it; empty = of none.
        """
        if not any(teams):
            return np.zeros(0, np.uint8)
        bits: list[int] = []
        for variant, own in zip(variants, teams, strict=True):
            control = variant.partition("+")[0]
            bits += [TEAM_A if team == control else TEAM_B if team else 0 for team in own]
        return np.array(bits, np.uint8)

    def totals(self, name: str) -> tuple[tuple[str, ...], NDArray[np.float64]] | None:
        """Arms of an experiment, and float64 [arms, buckets, OUTCOMES]: the memory itself; None = none are counted."""
        at = self._slot_of(name)
        slot = self._slots[at] if at >= 0 else None
        return None if slot is None else (slot.arms, self.state.totals[at, : len(slot.arms)])

    def credits(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of interleaved slates, by user [n]: clicks on items of the control, and of the other arm."""
        users = self.state.users
        mine = users[users["owner"] == self._slot_of(name) + 1] if self._slot_of(name) >= 0 else users[:0]
        return mine["clicks_a"].astype(np.float64), mine["clicks_b"].astype(np.float64)

    def forget_user(self, user: np.uint64) -> None:
        """Nobody knows any more that the user was in an experiment; sums are kept."""
        users = self.state.users
        users["user"][(users["user"] == user) & (users["owner"] > 0)] = 0
        purchases = self._purchases()
        purchases["user"][purchases["user"] == user] = 0

    def forget_purchases(self, slot: int) -> None:
        """Those of an experiment that has given way to another: a refund of one lowers nothing of the other."""
        purchases = self._purchases()
        purchases["user"][purchases["trial"] // MAX_ARMS == slot] = 0

    def stats(self) -> dict[str, float]:
        """Users that are remembered, slates of users for whom there was no room, refunds that have lowered nothing."""
        counters = self.state.counters[0]
        return {
            "trial_users": float(counters["n_users"]),
            "trial_left_out": float(counters["left_out"]),
            "trial_refunds_left_out": float(counters["refunds_left_out"]),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state by name; nothing before the first experiment."""
        if not any(self._slots):
            return {}
        users = self.state.users[self.state.users["owner"] > 0]
        users = users[
            np.lexsort((users["last"], users["user"], users["owner"]))
        ]  # where they lie hangs on restarts
        found: dict[str, NDArray[Any]] = {
            "slots": np.frombuffer(msgspec.msgpack.encode(self._slots), np.uint8),
            "users": users.view(np.uint8),
            "left_out": self.state.counters["left_out"].copy(),
            "refunds_left_out": self.state.counters["refunds_left_out"].copy(),
        }
        purchases = self._purchases()
        purchases = purchases[purchases["user"] != 0]
        purchases = purchases[
            np.lexsort((purchases["trial"], purchases["item"], purchases["user"], purchases["ts"]))
        ]
        purchases["before"] = 0  # chains are made anew
        found["purchases"] = purchases.view(np.uint8)
        for at, slot in enumerate(self._slots):
            if slot is not None:
                found[f"totals.{at}"] = self.state.totals[at, : len(slot.arms)]
        return found

    def check(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Could `load` take these?

        Raises:
            ConfigError: they are not its own.
        """
        try:
            if arrays:
                slots = _slots(arrays["slots"].tobytes())
                shape = self.state.totals.shape[2:]
                good = len(slots) == MAX_TRIALS and len(arrays["users"]) % TRIAL_USER.itemsize == 0
                good &= len(arrays["purchases"]) % PURCHASE_MADE.itemsize == 0
                good &= len(arrays["refunds_left_out"]) == 1
                for at, slot in enumerate(slots):
                    good &= slot is None or arrays[f"totals.{at}"].shape == (len(slot.arms), *shape)
            else:
                good = True
        except (KeyError, msgspec.DecodeError, msgspec.ValidationError):
            good = False
        if not good:
            raise ConfigError("the outcomes of experiments do not fit", fix="start without this snapshot")

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; users for whom there is no room are left out."""
        if not arrays:
            return
        self._slots = _slots(arrays["slots"].tobytes())
        for at, slot in enumerate(self._slots):
            self.state.in_use[at] = slot is not None
            if slot is not None:
                self.state.totals[at, : len(slot.arms)] = arrays[f"totals.{at}"]
        entries = np.frombuffer(arrays["users"].tobytes(), TRIAL_USER)
        self._refill(entries[: len(self.state.users) * 3 // 4])
        purchases = np.frombuffer(arrays["purchases"].tobytes(), PURCHASE_MADE)
        refill_purchases(self.state, purchases[-len(self.state.purchases) :].copy())
        self.state.counters["left_out"] = arrays["left_out"]
        self.state.counters["refunds_left_out"] = arrays["refunds_left_out"]

    def _purchases(self) -> NDArray[np.void]:
        """Those that are remembered, of whatever use they still are."""
        return self.state.purchases[: int(self.state.counters["next_purchase"][0])]

    def _refill(self, entries: NDArray[np.void]) -> None:
        self.state.users["owner"] = 0
        refill(self.state, entries.copy())
        self.state.counters["n_users"] = len(entries)

    def _slot_of(self, name: str) -> int:
        """The one of the latest start; -1 = none."""
        mine = [at for at, slot in enumerate(self._slots) if slot is not None and slot.name == name]
        return max(mine, key=lambda at: self._slots[at].started, default=-1)  # type: ignore[union-attr]

    def _take(self, wanted: Slot) -> int | None:
        """A free slot, or that of the experiment which is over for longest: which one it was."""
        free = [at for at, slot in enumerate(self._slots) if slot is None]
        at = free[0] if free else self._oldest_over()
        if at < 0:
            self._log.warning(
                "an experiment is not counted: there are too many",
                experiment=wanted.name,
                counted=MAX_TRIALS,
                fix="stop another one, and start it anew",
            )
            return None
        was_taken = self._slots[at] is not None
        if was_taken:
            users = self.state.users
            self._refill(users[(users["owner"] > 0) & (users["owner"] != at + 1)])
        self.state.totals[at] = 0.0
        self._slots[at], self.state.in_use[at] = wanted, True
        return at if was_taken else None

    def _oldest_over(self) -> int:
        over = [at for at, slot in enumerate(self._slots) if slot is not None and not self._is_live(slot)]
        return min(over, key=lambda at: self._slots[at].started, default=-1)  # type: ignore[union-attr]

    def _is_live(self, slot: Slot) -> bool:
        known = self._known.get(slot.name)
        return known is not None and known.is_live and known.started == slot.started

    def _code(self, scenario: str, variant: str, experiment: str) -> int:
        first = variant.partition("+")[0]
        for at, slot in enumerate(self._slots):
            if slot is None or first not in slot.arms or (experiment and slot.name != experiment):
                continue
            known = self._known.get(slot.name)
            if self._is_live(slot) and (not known.scenarios or scenario in known.scenarios):  # type: ignore[union-attr]
                return at * MAX_ARMS + slot.arms.index(first)
        return NO_TRIAL
