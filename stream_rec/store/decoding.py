"""Decoding of what Redis holds: the values may be anything, and an unreadable one counts as absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from redis.exceptions import ResponseError

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.schemas.records import Slate
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.store.encoding import ItemList
from stream_rec.store.forgotten import WorkerReceipt
from stream_rec.store.last_values import LastValues
from stream_rec.store.refusals import code_of

T = TypeVar("T")
R = TypeVar("R", Slate, ItemList)

_LARGEST = 2**53
"""What slate.lua takes for a position."""
SAY_EVERY_SECONDS = 60.0
_slate = msgspec.json.Decoder(Slate).decode
_item_list = msgspec.json.Decoder(ItemList).decode
_known_names = msgspec.json.Decoder(KnownNames).decode
_last_values = msgspec.json.Decoder(LastValues).decode
_receipt = msgspec.json.Decoder(WorkerReceipt).decode
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class Decoding:
    """Answers of Redis as records; None = absent, or not readable: of the wrong type, truncated, or another user's.

    A line is logged at the first unreadable value, then at most one a minute. Thread-safe.

    Args:
        clock: for the log.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said_at: float | None = None
        self._unsaid = 0

    def slate(self, answer: Any, user_id: str) -> Slate | None:
        """Of GET: a slate of this user.

        Raises:
            redis.ResponseError: Redis refused for another reason than the type of the value.
        """
        slate = self._decode(answer, _slate, "slate")
        if slate is not None and slate.user_id != user_id:
            self._say("slate", "it is another user's")
            return None
        return self._possible(slate, "slate")

    def item_list(self, answer: Any) -> ItemList | None:
        """Of GET.

        Raises:
            redis.ResponseError: as `slate`.
        """
        return self._possible(self._decode(answer, _item_list, "list"), "list")

    def known_names(self, answer: Any) -> KnownNames | None:
        """Of GET.

        Raises:
            redis.ResponseError: as `slate`.
        """
        return self._decode(answer, _known_names, "catalogue")

    def last_values(self, answer: Any) -> LastValues | None:
        """Of GET.

        Raises:
            redis.ResponseError: as `slate`.
        """
        return self._decode(answer, _last_values, "metrics")

    def receipts(self, answer: Any) -> dict[str, WorkerReceipt]:
        """Of HGETALL: receipts by worker; none if it is no hash.

        Raises:
            redis.ResponseError: as `slate`.
        """
        fields = self._value(answer, "forgotten") or {}
        found = {
            name.decode(errors="replace"): self._decode(raw, _receipt, "forgotten")
            for name, raw in fields.items()
        }
        return {name: receipt for name, receipt in found.items() if receipt is not None}

    def removed(self, answer: Any, item_ids: Sequence[str]) -> set[str]:
        """Of ZMSCORE: those of the ids that are in the set; none if it is no sorted set.

        Raises:
            redis.ResponseError: as `slate`.
        """
        scores = self._value(answer, "removed")
        return {item for item, score in zip(item_ids, scores or (), strict=False) if score is not None}

    def names(self, answer: Any, what: str) -> list[str]:
        """Of ZRANGE: the names; none if it is no sorted set.

        Args:
            answer: of Redis.
            what: names of what, for the log.

        Raises:
            redis.ResponseError: as `slate`.
        """
        names: list[str] = []
        for name in self._value(answer, what) or ():
            try:
                names.append(name.decode())
            except UnicodeDecodeError:
                self._say(what, f"{name!r} is no name")
        return names

    def _decode(self, answer: Any, decode: Callable[[bytes], T], what: str) -> T | None:
        raw = self._value(answer, what)
        if raw is None:
            return None
        try:
            return decode(raw)
        except _UNREADABLE as error:
            self._say(what, str(error) or type(error).__name__)
            return None

    def _possible(self, record: R | None, what: str) -> R | None:
        if record is not None and max(record.as_of.offset, record.as_of.broker_ts) > _LARGEST:
            self._say(what, f"as_of is beyond {_LARGEST}")
            return None
        return record

    def _value(self, answer: Any, what: str) -> Any:
        if not isinstance(answer, Exception):
            return answer
        if not isinstance(answer, ResponseError) or code_of(answer) != "WRONGTYPE":
            raise answer
        self._say(what, str(answer))
        return None

    def _say(self, what: str, why: str) -> None:
        now = self._clock.monotonic()
        if self._said_at is not None and now - self._said_at < SAY_EVERY_SECONDS:
            self._unsaid += 1
            return
        self._said_at, unsaid, self._unsaid = now, self._unsaid, 0
        logs.get("recommend").warning(
            "unreadable value in redis, treated as absent", what=what, why=why, others=unsaid
        )
