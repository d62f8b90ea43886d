"""The rankers of arms that rank by themselves: begun and ended by the log's own time, so replicas hold the same ones.

A record on `control` meets a replica's events at a moment of its own. So an arm's ranker begins, as a copy of the
engine's, with the first example after the latest broker timestamp has passed the experiment's start by a margin, and
ends likewise; both moments stand in the experiment's last record, whenever that is met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.engine.arms.ranker import N_SUMS, ArmRanker, Key
from stream_rec.engine.held import Held
from stream_rec.engine.steering.decisions import MARGIN_MS, Decisions
from stream_rec.errors import ConfigError
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.sources.ranker import LOSS, RankerState
from stream_rec.trials.rankers import MAX_RANKERS, own_rankers

_NEVER = float("inf")
_NO_TIME = (_NEVER, -_NEVER)
"""Of the log, in which `_now` is who takes part: none, until it is asked."""
_keys = msgspec.msgpack.Decoder(list[Key]).decode


class _Wanted(NamedTuple):
    """A ranker that there is while the log's time is in (begin, end], in ms."""

    key: Key
    arm: Arm
    begin: float
    end: float


class ArmRankers:
    """All of them; a part of what is learned.

    Args:
        held: the engine's state and working memory.
        decisions: the experiments.
    """

    def __init__(self, held: Held, decisions: Decisions) -> None:
        self._held = held
        self._decisions = decisions
        self._known: Mapping[str, Experiment] = {}
        self._wanted: tuple[_Wanted, ...] = ()
        self._open: dict[Key, ArmRanker] = {}
        self._now: tuple[ArmRanker, ...] = ()
        self._same = _NO_TIME
        self._latest = 0
        self._said: set[Key] = set()
        self._log = logs.get("learn")

    def moments(self, broker_ts: NDArray[np.int64]) -> list[int] | None:
        """[n]: the log's time at each of n events that are about to be learned; None = no arm ranks by itself."""
        if self._known is not self._decisions.experiments:
            self._follow()
        if not self._wanted or not len(broker_ts):
            return None
        moments: list[int] = np.maximum.accumulate(np.maximum(broker_ts, self._latest)).tolist()
        self._latest = moments[-1]
        return moments

    def at(self, moment: int) -> Sequence[ArmRanker]:
        """Those that judge and learn an example at this time of the log; begins and ends them."""
        if self._same[0] < moment <= self._same[1]:  # as for nearly every example: this is asked for each
            return self._now
        for each in self._wanted:
            if not each.begin < moment <= each.end:
                self._open.pop(each.key, None)
        for each in self._wanted:
            if each.begin < moment <= each.end:
                self._begin(each)
        edges = [edge for each in self._wanted for edge in (each.begin, each.end)]
        self._same = (
            max((edge for edge in edges if edge < moment), default=-_NEVER),
            min((edge for edge in edges if edge >= moment), default=_NEVER),
        )
        self._now = tuple(self._open.values())
        return self._now

    def of(self, experiment: str, arm: str) -> ArmRanker | None:
        """The ranker of an arm; None = it has none of its own (yet)."""
        return next(
            (each for key, each in self._open.items() if (key.experiment, key.arm) == (experiment, arm)), None
        )

    def all(self) -> Mapping[Key, ArmRanker]:
        """Those there are."""
        return self._open

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state by name, in a fixed order; nothing while no arm has ranked."""
        if not self._latest:
            return {}
        found: dict[str, NDArray[Any]] = {
            "keys": np.frombuffer(msgspec.msgpack.encode(list(self._open)), np.uint8),
            "latest": np.array([self._latest], np.int64),
        }
        for n, each in enumerate(self._open.values()):
            found[f"{n}.sums"] = each.sums
            for name, array in each.ranker._asdict().items():
                found[f"{n}.{name}"] = array.view(array.dtype[0]) if array.dtype.names else array
        return found

    def check(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Could `load` take these?

        Raises:
            ConfigError: they are not its own.
        """
        try:
            whole = not arrays or (len(_keys(arrays["keys"].tobytes())) >= 0 and len(arrays["latest"]) == 1)
        except (KeyError, msgspec.DecodeError, msgspec.ValidationError):
            whole = False
        if not whole:
            raise ConfigError("the rankers of arms do not fit", fix="start without this snapshot")

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave. A ranker of another release's form begins anew, and so does one unknown here.

        Call when the decisions are there.
        """
        if not arrays:
            return
        self._latest = int(arrays["latest"][0])
        self._known = self._decisions.experiments
        self._wanted = tuple(_wanted(self._known))
        arms = {each.key: each.arm for each in self._wanted}
        for n, key in enumerate(_keys(arrays["keys"].tobytes())):
            ranker = self._ranker_of({name: arrays.get(f"{n}.{name}") for name in RankerState._fields})
            sums = arrays.get(f"{n}.sums")
            if key in arms and ranker is not None and sums is not None and sums.shape == (N_SUMS,):
                self._open[key] = ArmRanker(self._held, ranker, arms[key], sums.copy())
        self._same = _NO_TIME

    def _ranker_of(self, arrays: Mapping[str, NDArray[Any] | None]) -> RankerState | None:
        found = {}
        for name, mine in self._held.state.ranker._asdict().items():
            given = arrays[name]
            wanted = mine.view(mine.dtype[0]) if mine.dtype.names else mine
            if given is None or given.shape != wanted.shape or given.dtype != wanted.dtype:
                return None
            found[name] = given.copy().view(LOSS) if mine.dtype.names else given.copy()
        return RankerState(**found)

    def _follow(self) -> None:
        self._known = self._decisions.experiments
        self._wanted = tuple(_wanted(self._known))
        keys = {each.key for each in self._wanted}
        self._open = {key: each for key, each in self._open.items() if key in keys}
        self._same = _NO_TIME

    def _begin(self, wanted: _Wanted) -> None:
        if wanted.key in self._open:
            return
        if len(self._open) < MAX_RANKERS:
            self._open[wanted.key] = ArmRanker.beginning(self._held, wanted.arm)
        elif wanted.key not in self._said and len(self._said) < 1024:
            self._said.add(wanted.key)
            self._log.warning(
                "an arm has no ranker of its own: it is ranked by the engine's",
                experiment=wanted.key.experiment,
                arm=wanted.key.arm,
                rankers=MAX_RANKERS,
                fix="stop an experiment whose arms rank by themselves",
            )


def _wanted(experiments: Mapping[str, Experiment]) -> Iterator[_Wanted]:
    """In the order in which they begin."""
    for each in own_rankers(experiments):
        key = Key(each.experiment, each.arm.name, each.began)
        yield _Wanted(key, each.arm, each.began * 1000 + MARGIN_MS, each.ended * 1000 + MARGIN_MS)
