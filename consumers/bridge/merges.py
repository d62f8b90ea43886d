"""Which visitor is whom, as the topic `control` has it, and which of the sign-ins that come in are to be written there.

Trackers say at every page that a browser is an account. A merge is written once, and again only for what the visitor
did since. A visitor who is somebody is never made somebody else from here: of a browser that two people share, nobody
can tell whose its history is, and who replays the log would give the first one's to the second.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.bridge.inputs import Input
from stream_rec.schemas.decisions import ERASURE, MERGE, Decision, Merge, hash_of
from stream_rec.settings import BridgeSettings
from stream_rec.shapes.messages import SignIn

IN_FORCE, OF_ANOTHER, OF_ACCOUNT, OF_MANY, FORGOTTEN = (
    "merge_in_force",
    "merge_of_another",
    "merge_of_account",
    "merge_of_many",
    "merge_of_forgotten",
)
NOT_MADE: dict[str, str] = {
    IN_FORCE: "the visitor is this user already, and has done nothing since",
    OF_ANOTHER: "the visitor is another user already: a shared browser",
    OF_ACCOUNT: "the visitor is an account: visitors were merged into it",
    OF_MANY: "more than bridge.visitors_per_user visitors are this user: most likely an id that many share",
    FORGOTTEN: "the visitor or the user was forgotten after the message",
}
"""Why a sign-in is not written. Metric labels: stable."""
_TOLD_EVERY_SECONDS = 600.0
_UNUSUAL = (OF_ANOTHER, OF_ACCOUNT, OF_MANY)
_log = logs.get("bridge")
K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class _Became:
    """Of a visitor.

    Attributes:
        user: whom the visitor became (a hash).
        at: when, seconds.
        is_shared: has another account signed in there since?
        is_sure: was the record seen on the topic? Ours may not arrive.
    """

    user: int
    at: float
    is_shared: bool = False
    is_sure: bool = True


class Merges:
    """The book of merges and erasures, bounded: what is oldest in it is forgotten, and might be written once more.

    One thread decides, another may `learn`.

    Args:
        settings: the bounds.
        clock: processing time.
    """

    def __init__(self, settings: BridgeSettings, clock: Clock) -> None:
        self._most, self._per_user = settings.known_merges, settings.visitors_per_user
        self._again_seconds = settings.merge_again_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._became: OrderedDict[int, _Became] = OrderedDict()
        self._n_visitors: Counter[int] = Counter()
        self._erased: OrderedDict[int, float] = OrderedDict()
        self._acting: OrderedDict[str, None] = OrderedDict()
        self._hash = lru_cache(self._most)(hash_of)
        self._lines = logs.Occasional(clock, _TOLD_EVERY_SECONDS)

    def learn(self, decision: Decision) -> None:
        """Take in a record of `control`; kinds that are not about people change nothing. From any thread."""
        if decision.kind not in (ERASURE, MERGE):
            return
        about, seconds = int(decision.name, 16), decision.broker_ts / 1000
        with self._lock:
            if decision.kind == ERASURE:
                self._erased.pop(about, None)
                if decision.body is not None:
                    _put(self._erased, about, seconds, self._most)
            else:
                known = self._drop(about)
                if isinstance(decision.body, Merge):
                    user = self._hash(decision.body.user_id)
                    is_shared = known is not None and known.is_shared and known.user == user
                    self._note(about, _Became(user, seconds, is_shared))

    def acted(self, user_id: str) -> None:
        """An event was made of a message. The deciding thread."""
        if user_id not in self._acting:
            _put(self._acting, user_id, None, self._most)

    def why_not(self, sign_in: SignIn, seconds: float) -> str:
        """Why a sign-in is not to be written, of `NOT_MADE`; empty = it is, and counts as written. The deciding thread.

        Args:
            sign_in: which.
            seconds: when the message was sent.
        """
        with self._lock:
            reason = self._judged(sign_in, seconds)
        if reason in _UNUSUAL and (n := self._lines.note(reason)):
            self._tell(reason, n)
        return reason

    def unsure(self) -> None:
        """What was written and not seen on the topic may never arrive: its messages come again."""
        with self._lock:
            for visitor in [each for each, became in self._became.items() if not became.is_sure]:
                self._drop(visitor)

    def tell_held_back(self) -> None:
        """Log what may be told now; call from time to time."""
        for reason, n in self._lines.overdue().items():
            self._tell(str(reason), n)

    def __len__(self) -> int:
        """Merges that it knows of."""
        return len(self._became)

    def _judged(self, sign_in: SignIn, seconds: float) -> str:
        visitor, user = self._hash(sign_in.visitor_id), self._hash(sign_in.user_id)
        if max(self._erased.get(visitor, -1.0), self._erased.get(user, -1.0)) >= seconds:
            return FORGOTTEN
        if self._n_visitors[visitor]:
            return OF_ACCOUNT
        now, known = self._clock.now(), self._became.get(visitor)
        if known is None:
            if self._n_visitors[user] >= self._per_user:
                return OF_MANY
        elif known.user != user:
            known.is_shared = True
            return OF_ANOTHER
        elif (
            known.is_shared or sign_in.visitor_id not in self._acting or now - known.at < self._again_seconds
        ):
            return IN_FORCE
        self._acting.pop(sign_in.visitor_id, None)
        self._drop(visitor)
        self._note(visitor, _Became(user, now, is_sure=False))
        return ""

    def _note(self, visitor: int, became: _Became) -> None:
        while len(self._became) >= self._most:
            self._drop(next(iter(self._became)))
        self._became[visitor] = became
        self._n_visitors[became.user] += 1

    def _drop(self, visitor: int) -> _Became | None:
        known = self._became.pop(visitor, None)
        if known is not None:
            self._n_visitors[known.user] -= 1
            if not self._n_visitors[known.user]:
                del self._n_visitors[known.user]
        return known

    def _tell(self, reason: str, n: int) -> None:
        _log.warning(
            "sign-ins are not merged",
            reason=reason,
            why=NOT_MADE[reason],
            n=n,
            fix="if it is meant: stream-rec merge VISITOR USER (docs/your-data.md)",
        )


def merges_of(inputs: Mapping[str, Input], settings: BridgeSettings, clock: Clock) -> Merges | None:
    """The book that inputs need; None = no shape of theirs makes merges."""
    makes = any(output.kind == "merges" for one in inputs.values() for output in one.mapper.outputs)
    return Merges(settings, clock) if makes else None


def _put(to: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """As the newest; the oldest makes room."""
    if len(to) >= most:
        to.popitem(last=False)
    to[key] = value
