"""Slates for users whom the stream does not know, written through the guard that lets every live one stand.

docs/batch.md says who gets one and what is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_rec.batch.als import Trained, UserBlock
from stream_rec.batch.catalogue import may_be_shown
from stream_rec.batch.order import users_at_a_time
from stream_rec.batch.people import People
from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.producers.scenarios.apply import Scenarios
from stream_rec.schemas.records import AsOf, Reason, Slate, SlateItem
from stream_rec.settings import Settings, StoreSettings
from stream_rec.store.connection import connect
from stream_rec.store.encoding import EncodedSlate, encode_items, encode_slates
from stream_rec.store.keys import NEVER
from stream_rec.store.lists import ListStore
from stream_rec.store.markers import Markers
from stream_rec.store.rate import RateLimiter
from stream_rec.store.reader import Reader
from stream_rec.store.slates import SlateStore
from stream_rec.store.waiting import WaitEnded, until_available

WAIT_SECONDS = 60.0
"""So long Redis may be away amid the writing: a failover takes less."""
_REASON = Reason("batch")

T = TypeVar("T")


class Slated(NamedTuple):
    """What became of the slates.

    Attributes:
        written: slates that are now in Redis.
        left: slates that are not, since the stream has written one: it knows the user.
        without: users of the fit for whom none was made: nothing is left to show, they are forgotten, or they never
            want to see items of a tag or an owner.
        deleted: slates of users who were forgotten while they were written.
    """

    written: int
    left: int
    without: int
    deleted: int

    @property
    def in_words(self) -> str:
        """For people."""
        known = f"{self.left:,} left because the stream knows them"
        told = f"{self.written:,} written, {known}, {self.without:,} users without"
        return f"{told}, {self.deleted:,} deleted of users forgotten meanwhile" if self.deleted else told


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be written, found possible before the training.

    Attributes:
        k: length of the slates, by scenario.
        people: who users are.
    """

    k: Mapping[str, int]
    people: People


def ask(settings: Settings, scenarios: Sequence[str], clock: Clock | None = None) -> Asked:
    """Look whether slates of these scenarios can be written.

    Raises:
        ConfigError: a scenario is none, is off, or has rules; or Kafka or Redis refuses us.
        Unavailable: Kafka or Redis does not answer.
    """
    people = People.read(settings)
    found = Scenarios(settings)
    k = {}
    for name in scenarios:
        scenario = found.one(name).scenario
        if scenario is None or not scenario.is_valid_at((clock or SystemClock()).now()):
            raise ConfigError(
                f"scenario {name} is off, or not in its time: nobody reads its slates",
                fix="turn it on, or give another one",
            )
        if not scenario.is_plain:
            raise ConfigError(
                f"scenario {name} has rules, and a batch's slate knows none: it could show what they forbid",
                fix=f"users without a slate of it get list:{name}, which is made under its rules; give a scenario "
                "without rules",
            )
        k[name] = scenario.k
    with closing(Reader(settings.store)) as reader:
        try:
            reader.scenarios()
        except Unavailable as error:
            raise Unavailable(
                "redis", f"{error.detail}; nothing was trained: start it, or leave --slates out"
            ) from error
    return Asked(k, people)


def write(
    trained: Trained, settings: Settings, asked: Asked, *, model: str, clock: Clock | None = None
) -> Slated:
    """Write slates for the users of a fit; harmless to repeat.

    Args:
        trained: items and users; Spark runs.
        settings: addresses, the time to live, and `store.rewrite_per_second`.
        asked: what.
        model: name of the model.
        clock: says when it was trained; a later training takes the place of an earlier one.

    Raises:
        ConfigError, Unavailable: a server refuses us, or does not answer for WAIT_SECONDS. What is written stays.
    """
    return asyncio.run(_write(trained, settings, asked, model, clock or SystemClock()))


async def _write(trained: Trained, settings: Settings, asked: Asked, model: str, clock: Clock) -> Slated:
    connection = connect(settings.store, clock, tries=2)
    store = SlateStore(connection, settings.store, Markers(connection, settings.store))
    lists, patiently = (
        ListStore(connection, settings.store, clock),
        partial(_patiently, settings.store, clock),
    )
    as_of = AsOf.of_batch(int(clock.now() * 1000), trained.latest_ts, asked.people.upto)
    maker = SlateMaker(trained, asked.k, as_of, model, clock.now())
    people, limiter = People.read(settings), RateLimiter(settings.store.rewrite_per_second, clock)
    n_written = n_left = n_deleted = 0
    offered: list[str] = []
    try:
        maker.leave_out(~may_be_shown(settings, trained.items, trained.latest_ts))
        shown = await patiently(lambda: lists.not_removed(trained.items), "read removed")
        maker.leave_out(~np.isin(trained.items, shown))
        for block in trained.user_blocks(users_at_a_time(len(trained.items))):
            nevers = await patiently(
                partial(store.read_all, block.users, NEVER), "read what users never want"
            )
            made = maker.slates(block, nevers, {*people.among(block.users)})
            await asyncio.sleep(limiter.reserve(len(made)))
            done = await patiently(partial(store.write, made), "write slates")
            n_written, n_left = n_written + done.n_written, n_left + done.n_stale
            offered += dict.fromkeys(slate.user_id for slate in made)
    finally:
        try:
            gone = People.read(settings).among(offered)
            n_deleted = await patiently(partial(_delete, store, gone, [*asked.k]), "delete slates")
        finally:
            await connection.aclose()
    return Slated(n_written, n_left, int(trained.metrics["users"]) - len(offered), n_deleted)


class SlateMaker:
    """Makes the slates of blocks of users.

    Args:
        trained: items, their factors and their order.
        k: length of the slates, by scenario.
        as_of: of all of them.
        model: name of the model.
        now: when they are made, seconds since the epoch.
    """

    def __init__(self, trained: Trained, k: Mapping[str, int], as_of: AsOf, model: str, now: float) -> None:
        self._items = trained.items
        self._factors, self._order = trained.factors, trained.order
        self._k = k
        self._encode = partial(encode_slates, as_of=as_of, model=model, created_ts=now)
        self._place = {item: at for at, item in enumerate(trained.items)}
        self._hidden = np.zeros(len(trained.items), np.bool_)

    def leave_out(self, which: NDArray[np.bool_]) -> None:
        """Show these items, bool [n], to nobody."""
        self._hidden |= which

    def slates(
        self, block: UserBlock, nevers: Sequence[Slate | None], forgotten: Set[str]
    ) -> list[EncodedSlate]:
        """Of all scenarios, for the users to whom anything may be shown.

        Args:
            block: users and what they have had.
            nevers: of each, what they never want to see; None = nothing is known.
            forgotten: users who get none.
        """
        unwanted = [
            np.array(
                [self._place[each.item_id] for each in of.items if each.item_id in self._place], np.int64
            )
            if of is not None
            else None
            for of in nevers
        ]
        scores = self._order.scores(block.factors @ self._factors.T)
        scores[:, self._hidden] = -np.inf
        for row, (had, never) in enumerate(zip(block.had, unwanted, strict=True)):
            scores[row, had] = -np.inf
            if never is not None:
                scores[row, never] = -np.inf
        best = _best(scores, max(self._k.values()))
        users: list[str] = []
        places: list[list[SlateItem]] = []
        for user, own, row in zip(block.users, scores, best, strict=True):
            some = [
                SlateItem(self._items[at], round(float(own[at]), 4), _REASON)
                for at in row
                if own[at] > -np.inf
            ]
            if some and user not in forgotten:
                users.append(user)
                places.append(some)
        return [
            slate
            for scenario, k in self._k.items()
            for slate in self._encode(users, [encode_items(some[:k]) for some in places], scenario=scenario)
        ]


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Of n users the k items, or all, with the highest scores, best first, [n, k]."""
    first = max(0, scores.shape[1] - k)
    some = np.argpartition(scores, first, axis=1)[:, first:] if first else np.arange(scores.shape[1])[None, :]
    some = np.broadcast_to(some, (len(scores), some.shape[1]))
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


async def _delete(store: SlateStore, users: Sequence[str], scenarios: Sequence[str]) -> int:
    """Delete the batch slates of these users; what the stream has written since is theirs."""
    n = 0
    for scenario in scenarios:
        held = await store.read_all(users, scenario)
        batches = [(scenario, each.user_id) for each in held if each is not None and each.as_of.is_of_batch]
        n += await store.delete(batches)
    return n


async def _patiently(
    settings: StoreSettings, clock: Clock, attempt: Callable[[], Awaitable[T]], what: str
) -> T:
    """Try for WAIT_SECONDS while Redis does not answer."""
    gone = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(WAIT_SECONDS, gone.set)
    try:
        return await until_available(attempt, what=what, stops=[gone], settings=settings, clock=clock)
    except WaitEnded as error:
        raise Unavailable(
            "redis",
            f"it was waited for in vain, to {what}; what is written stays: run it again",
            waited_seconds=error.waited_seconds,
        ) from error
    finally:
        timer.cancel()
