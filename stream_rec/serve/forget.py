"""Forget a user everywhere: the record on `control`, the workers' receipts, Redis, and what only time removes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_rec.bus.dead_letters import read_letters
from stream_rec.bus.decisions import last_of_each, read_decisions
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.topics import gone_after_ms, kept_ms
from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError
from stream_rec.producers.decisions.said import who
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import ERASURE, MERGE, SCENARIO, Merge, name_about
from stream_rec.schemas.records import Control, TopicName
from stream_rec.schemas.topics import key_of
from stream_rec.schemas.validation import required
from stream_rec.serve.workers import live_workers, wait_for_workers
from stream_rec.settings import Settings
from stream_rec.store.forgotten import WorkerReceipt
from stream_rec.store.keys import NEVER
from stream_rec.store.reader import Reader

KEEPING: tuple[TopicName, ...] = ("events", "impressions", "slates")
"""Topics whose records name users, and which only their retention empties."""
_LETTERS: TopicName = "dead-letters"


class Store(NamedTuple):
    """What became of a user in one store.

    Attributes:
        name: of the store.
        removed: what was removed, in words; in a dry run what would be.
        waits: what is still there, in words; empty = nothing.
        until: when that is gone, seconds since the epoch; 0 = nothing waits, or it is not known.
    """

    name: str
    removed: str
    waits: str = ""
    until: float = 0.0


@dataclass(slots=True)
class Receipt:
    """What became of a request to forget a user.

    Attributes:
        user_hash: the name that the decision has.
        offset: of the decision on `control`; -1 = a dry run.
        ts: when it was decided, seconds since the epoch.
        workers: receipts, by worker.
        silent: live workers that have not answered in time.
        stores: by store.
    """

    user_hash: str
    offset: int
    ts: float
    workers: Mapping[str, WorkerReceipt] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    stores: list[Store] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Has every live worker answered?"""
        return not self.silent


class IsAUserNow(ConfigError):
    """A visitor who became a user cannot be forgotten alone: what was learned of both is one history."""


class Forgetter:
    """Forgets users of one tenant.

    Args:
        settings: addresses, limits and scenarios.
        reader: of Redis.
        clock: stamps decisions.

    Raises:
        ConfigError, Unavailable: as `read_decisions`.
    """

    def __init__(self, settings: Settings, reader: Reader, clock: Clock | None = None) -> None:
        self._settings = settings
        self._reader = reader
        self._clock = clock or SystemClock()
        decisions = read_decisions(settings.bus, settings.ingest)
        self._last = last_of_each(decisions)
        of_records = {each.name for each in decisions if each.kind == SCENARIO}
        self._scenarios = sorted({*settings.engine.scenarios, *of_records, *reader.scenarios(), NEVER})

    def plan(self, user_id: str) -> Receipt:
        """What `forget` would do; nothing is changed.

        Raises:
            ContractError: it cannot be an id.
            IsAUserNow: as `forget`.
        """
        name = self._name(user_id)
        found = self._reader.slates_of(user_id, self._scenarios)
        receipt = Receipt(name, -1, self._clock.now())
        live = live_workers(self._reader, self._clock)
        receipt.stores = [
            Store("workers", f"history, factors, impressions that wait, in {len(live)} live workers"),
            Store("redis", f"{len(found)} slates: {', '.join(found) or 'none'}"),
            *self._records_about(name, self._became(name), dry=True),
            *self._snapshots(),
            *self._waiting(user_id, receipt.ts, dry=True),
        ]
        return receipt

    def forget(self, user_id: str, *, wait_seconds: float, note: str = "") -> Receipt:
        """Decide it, wait for the workers, remove what they cannot, and say what waits.

        Args:
            user_id: whom.
            wait_seconds: so long the workers are waited for, at most.
            note: why, kept with the decision: no personal data.

        Raises:
            ContractError: it cannot be an id.
            IsAUserNow: it is that of a visitor who became a user.
            Unavailable, ConfigError: a server does not answer, or refuses; do it again, it is harmless.
        """
        name = self._name(user_id)
        ts = self._clock.now()
        with Publisher(self._settings.bus, self._settings.ingest) as publisher:
            merges = self._became(name)
            ack = publisher.publish(Control(ERASURE, name, ts, {}, by=who(), note=note))
            for visitor in merges:
                publisher.take_back(MERGE, visitor)
                publisher.publish(Control(ERASURE, visitor, ts, {}, by=who(), note=note))
        receipt = Receipt(name, ack.offset, ts)
        receipt.workers, receipt.silent = wait_for_workers(
            self._reader, self._clock, name, ack.offset, wait_seconds
        )
        n_deleted = self._reader.delete_slates(user_id, self._scenarios)
        n_slates = n_deleted + sum(each.slates for each in receipt.workers.values())
        receipt.stores = [
            self._of_workers(receipt),
            Store("redis", f"{n_slates} slates"),
            *self._records_about(name, merges, dry=False),
            *self._snapshots(receipt),
            *self._waiting(user_id, ts, dry=False),
        ]
        return receipt

    def _name(self, user_id: str) -> str:
        required("user_id", user_id, self._settings.ingest)
        name = name_about(user_id)
        merged = self._last.get((MERGE, name))
        if merged is not None and isinstance(merged.body, Merge):
            raise IsAUserNow(
                f"visitor {user_id} became the user {merged.body.user_id}: what was learned of both is one history",
                fix=f"forget that user, and the visitor is forgotten too: stream-rec forget {merged.body.user_id}",
            )
        return name

    def _became(self, name: str) -> list[str]:
        """Names of the merges by which visitors became a user (by the name of decisions), or one of those who did."""
        merged = {
            visitor: name_about(decision.body.user_id)
            for (kind, visitor), decision in self._last.items()
            if kind == MERGE and isinstance(decision.body, Merge)
        }
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            user = waiting.pop()
            own = [each for each, became in merged.items() if became == user and each not in found]
            found |= dict.fromkeys(own)
            waiting += own
        return list(found)

    def _of_workers(self, receipt: Receipt) -> Store:
        known = [each for each in receipt.workers.values() if each.was_known]
        events = max((each.events for each in known), default=0)
        shown = max((each.shown for each in receipt.workers.values()), default=0)
        removed = (
            f"{len(known)} of {len(receipt.workers)} knew the user: {events} events of the history, factors, "
            f"{shown} impressions and interactions that waited"
        )
        waits = f"no answer yet of {', '.join(receipt.silent)}" if receipt.silent else ""
        return Store("workers", removed, waits)

    def _records_about(self, name: str, merges: Sequence[str], *, dry: bool) -> Iterator[Store]:
        removed = f"{'to be decided' if dry else 'decided'}: erasure/{name}"
        if not merges:
            yield Store("control", removed)
            return
        removed += f", and of {len(merges)} visitors who became the user"
        waits = f"{len(merges)} merges that name the user, overruled"
        yield Store("control", removed, waits, self._clock.now() + self._kept_seconds("control"))

    def _snapshots(self, receipt: Receipt | None = None) -> Iterator[Store]:
        if not self._settings.snapshot.url:
            yield Store("snapshots", "there are none")
            return
        waits = (
            "those from before, until the leading worker has written a new one (snapshot.min_seconds at most)"
        )
        leads = receipt is not None and any(each.snapshots for each in receipt.workers.values())
        until = self._clock.now() + self._settings.snapshot.min_seconds if leads else 0.0
        yield Store("snapshots", "", waits, until)

    def _waiting(self, user_id: str, ts: float, *, dry: bool) -> Iterator[Store]:
        """What only the log's retention removes, and what the broker removes in time."""
        for topic in KEEPING:
            yield Store(topic, "", "records from before, not learned again", ts + self._kept_seconds(topic))
        yield self._letters(user_id, dry=dry)
        yield Store("journal", "it holds no ids")

    def _letters(self, user_id: str, *, dry: bool) -> Store:
        """Dead letters that hold the id: each is overruled by an empty record of its key."""
        wanted, keys, last_ms = user_id.encode(), set(), 0
        bounds = OffsetReader(self._settings.bus).bounds([_LETTERS])
        for letter in read_letters(self._settings.bus, bounds):
            if wanted in letter.raw or wanted in (letter.key or b"") or user_id in letter.detail:
                keys.add(key_of(letter))
                last_ms = max(last_ms, letter.broker_ts)
        if not keys:
            return Store(_LETTERS, "none has the id in it")
        if dry:
            return Store(_LETTERS, f"{len(keys)} letters with the id in raw bytes")
        with Publisher(self._settings.bus, self._settings.ingest) as publisher:
            publisher.remove_letters(keys)
        soon = gone_after_ms(self._settings.bus, _LETTERS)
        until = last_ms / 1000 + self._kept_seconds(_LETTERS)
        if soon is not None:
            until = min(until, self._clock.now() + soon / 1000)
        return Store(
            _LETTERS,
            f"{len(keys)} letters with the id in raw bytes are overruled",
            "their bytes, until the broker compacts the topic"
            if soon is not None
            else "their bytes: the broker does not compact the topic (`stream-rec doctor`)",
            until,
        )

    def _kept_seconds(self, topic: TopicName) -> float:
        return kept_ms(self._settings.bus, topic) / 1000
