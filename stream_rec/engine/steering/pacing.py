"""How often the items of promotions with a limit were shown: counted from `impressions`, in step with the time.

A count begins five seconds after the broker took the decision that the promotion came with, so that replicas which are
a moment behind on `control` count the same impressions; a promotion that stays as it is keeps its count when its
scenario is applied again. Arms of experiments share the count of the scenario that they change: impressions name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.steering.trials import base_of
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn, ImpressionBatch
from stream_rec.schemas.scenario import Promotion

_Key = tuple[str, bytes]
"""A scenario's name, whatever arms make of it, and the promotion as it was decided."""


class _Count(msgspec.Struct, frozen=True, array_like=True):
    scenario: str
    promotion: bytes
    since_ms: int
    n: int


@dataclass(slots=True)
class _Paced:
    """A promotion with a limit.

    Attributes:
        items: uint64, hashes of its items.
        since_ms: impressions that the broker took later count.
        n: places that showed one of the items.
    """

    items: NDArray[np.uint64]
    since_ms: int
    n: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Count]).decode


class Pacing:
    """The counts of all promotions in force that have a limit. A function of the log."""

    def __init__(self) -> None:
        self._paced: dict[_Key, _Paced] = {}

    def follow(self, promotions: Iterable[tuple[str, Promotion, int]]) -> None:
        """These are in force, and no others: scenario, promotion, and since when its impressions count (ms).

        Of one that is named twice, the first counts.
        """
        present: dict[_Key, _Paced] = {}
        for scenario, promotion, since_ms in promotions:
            key = _key(scenario, promotion)
            if promotion.impressions and key not in present:
                hashes = hash_ids(IdColumn.of(list(promotion.items)))
                present[key] = self._paced.get(key) or _Paced(hashes, since_ms)
        self._paced = present

    def count(self, batch: ImpressionBatch, first: int) -> None:
        """Learn the impressions of a batch from index `first` on."""
        for (scenario, _), paced in self._paced.items():
            of_scenario = np.fromiter((name == scenario for name in batch.scenarios), np.bool_, len(batch))
            wanted = of_scenario & (batch.broker_ts > paced.since_ms)
            wanted[:first] = False
            if wanted.any():
                shown = np.repeat(wanted, np.diff(batch.item_ends, prepend=0))
                paced.n += int(np.count_nonzero(np.isin(hash_ids(batch.items)[shown], paced.items)))

    def is_due(self, scenario: str, promotion: Promotion, now: float) -> bool:
        """May a promotion have its places: has it a part of its impressions left, as of event time?"""
        if not promotion.impressions:
            return True
        paced = self._paced.get(_key(scenario, promotion))
        if paced is None:
            return True
        allowed = float(promotion.impressions)
        begin = promotion.valid_from or paced.since_ms / 1000
        if promotion.pacing == "even" and promotion.valid_until > begin:
            allowed *= min(1.0, max(0.0, (now - begin) / (promotion.valid_until - begin)))
        return paced.n < allowed

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The counts by name, in a fixed order; nothing if there are none."""
        if not self._paced:
            return {}
        counts = [
            _Count(*key, paced.since_ms, paced.n) for key, paced in sorted(self._paced.items(), key=_first)
        ]
        return {"paced": np.frombuffer(_encode(counts), np.uint8)}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave, for the promotions that are in force."""
        if "paced" in arrays:
            for count in _decode(arrays["paced"].tobytes()):
                paced = self._paced.get((count.scenario, count.promotion))
                if paced is not None:
                    paced.since_ms, paced.n = count.since_ms, count.n

    @staticmethod
    def check(arrays: Mapping[str, NDArray[Any]]) -> None:
        """Could `load` take these?

        Raises:
            msgspec.DecodeError, msgspec.ValidationError: they are not its own.
        """
        if "paced" in arrays:
            _decode(arrays["paced"].tobytes())


def _key(scenario: str, promotion: Promotion) -> _Key:
    return base_of(scenario), _encode(promotion)


def _first(pair: tuple[_Key, _Paced]) -> _Key:
    return pair[0]
