"""Shoppers who browse in sessions: endless, seeded interactions with hidden tastes behind them.

Where slates are shown, they look, click, tire of what they see too often (`reactions`), and leave when they are bored.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import polars as pl

from stream_rec.clock import Clock, SystemClock
from stream_rec.offline.datasets.files import Beside
from stream_rec.offline.datasets.rows import LOG_SCHEMA
from stream_rec.producers.feed.feed import Feed, Progress, Row, never
from stream_rec.producers.feed.pace import EventTime, Pace
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.simulate.reactions import Look, Reactions
from stream_rec.producers.simulate.shop import Shop, ShopPlan, Taste, item_id, user_id
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.schemas.shown import ShownSlate
from stream_rec.schemas.topics import Ack

Recommend = Callable[[str], ShownSlate | None]
"""What is shown to a user; None = nothing."""

_COMPANION = 0.35  # chance that a view follows its predecessor's companions
_RETURN = 0.10  # or goes back to something seen in the session
_LOYALTY = 0.7  # chance to keep to the style one likes
_CART = 0.15  # of a view of a well-liked item
_PURCHASE = 0.4  # of a cart
_MAX_TRIES = 16  # to find a shopper who is not in the shop
_SKEW_USERS = 2.0  # a few come often
_SKEW_ITEMS = 2.5  # a few are popular


@dataclass(slots=True)
class _Session:
    user: int
    number: int
    tastes: list[Taste]
    views_left: int
    seen: list[int] = field(default_factory=list)
    next_type: str = "view"
    slate_id: str | None = None
    """Of the slate that the last item comes from; None = of none."""


class Shoppers:
    """The shop's visitors, one after the other, in order of event time.

    Args:
        plan: the shop and its shoppers.
        recommend: what is shown to a user; None = shoppers only browse. They are asked at the moment of the
            event, and click what they like, the sooner the higher it stands.
        on_look: called before a shopper looks at a slate: who knows tastes can say how good it is.

    Attributes:
        shop: what there is, and who likes it.
        reactions: what shoppers make of slates.
    """

    def __init__(
        self,
        plan: ShopPlan,
        recommend: Recommend | None = None,
        on_look: Callable[[Look, ShownSlate], None] | None = None,
    ) -> None:
        self.shop = Shop(plan)
        self._plan = plan
        self._recommend = recommend
        self._on_look = on_look
        self._random = random.Random(plan.seed)
        self.reactions = Reactions(self.shop, self._random)
        self._numbers = {item_id(item): item for item in range(plan.n_items)} if recommend else {}
        self._n_sessions = 0
        self._busy: set[int] = set()

    def events(self) -> Iterator[Interaction]:
        """What they do, without end; ts never goes back. The same plan and the same slates give the same events."""
        return (each for each in self.happenings() if isinstance(each, Interaction))

    def happenings(self) -> Iterator[Interaction | Impression]:
        """The same, and before each event the slate that was looked at, if any."""
        open_sessions: list[tuple[float, int, _Session]] = []
        arrival = self._plan.start_ts
        while True:
            if open_sessions and open_sessions[0][0] <= arrival:
                ts, number, session = heapq.heappop(open_sessions)
            else:
                ts, arrival = (
                    arrival,
                    arrival + self._wait(self._plan.session_length / self._plan.events_per_second),
                )
                new = self._arrive(ts)
                if new is None:
                    continue
                number, session = new.number, new
            yield from self._act(session, round(ts, 3))
            if session.next_type:
                heapq.heappush(open_sessions, (ts + self._wait(self._plan.pause_seconds), number, session))
            else:
                self._busy.discard(session.user)

    def _arrive(self, ts: float) -> _Session | None:
        """A shopper comes in, one who is not in the shop already; None = none was found."""
        user = int(self._plan.n_users * self._random.random() ** _SKEW_USERS)
        tries = 0
        while user in self._busy:
            user = int(self._plan.n_users * self._random.random())
            tries += 1
            if tries > _MAX_TRIES:
                return None
        self._busy.add(user)
        self._n_sessions += 1
        n_views = 1
        while self._random.random() > 1 / self._plan.session_length:
            n_views += 1
        return _Session(user, self._n_sessions, self.shop.tastes(user, ts), n_views)

    def _act(self, session: _Session, ts: float) -> Iterator[Interaction | Impression]:
        kind = session.next_type
        if kind == "view":
            session.views_left -= 1
            slate = self._looked_at(session)
            if slate is not None:
                yield slate.impression(user_id(session.user), ts)
            session.seen.append(self._choose(session, slate, ts))
        item = session.seen[-1]
        session.next_type = self._after(kind, session)
        yield Interaction(
            user_id(session.user),
            item_id(item),
            kind,
            ts,
            session_id=f"s{session.number}",
            value=self.shop.price(item) if kind == "purchase" else None,
            slate_id=session.slate_id,
        )

    def _after(self, kind: str, session: _Session) -> str:
        """What the shopper does next: a cart may follow a view, a purchase a cart; empty = leaves."""
        if kind == "view":
            liked = self.shop.liking(session.tastes, session.seen[-1])
            if self._random.random() < _CART * liked:
                return "cart"
        if kind == "cart" and self._random.random() < _PURCHASE:
            return "purchase"
        return "view" if session.views_left > 0 else ""

    def _looked_at(self, session: _Session) -> ShownSlate | None:
        if self._recommend is None or self._random.random() >= self._plan.attention:
            return None
        slate = self._recommend(user_id(session.user))
        if slate is None or not slate.items:
            return None
        return slate if slate.slate_id else slate._replace(slate_id=f"s{session.number}-{session.views_left}")

    def _choose(self, session: _Session, slate: ShownSlate | None, ts: float) -> int:
        """The next item: of the slate, or found by browsing; who is bored by the slate does that for the last time."""
        clicked = self._clicked(session, slate, ts) if slate is not None else None
        session.slate_id = slate.slate_id if slate is not None and clicked is not None else None
        if clicked is not None:
            return clicked
        if slate is not None and self._random.random() < self._plan.boredom:
            session.views_left = 0
        if session.seen:
            chance = self._random.random()
            if chance < _COMPANION:
                return self.shop.companion(session.seen[-1], self._random.random())
            if chance < _COMPANION + _RETURN:
                return session.seen[int(len(session.seen) * self._random.random())]
        return self._browse(session)

    def _clicked(self, session: _Session, slate: ShownSlate, ts: float) -> int | None:
        found = (self._numbers.get(shown.item_id) for shown in slate.items)
        look = Look(session.user, ts, session.tastes, [item for item in found if item is not None])
        if self._on_look is not None:
            self._on_look(look, slate)
        return self.reactions.click(look)

    def _browse(self, session: _Session) -> int:
        chance = self._random.random()
        taste = session.tastes[-1]
        for candidate in session.tastes:
            if chance < candidate.weight:
                taste = candidate
                break
            chance -= candidate.weight
        shelf = self.shop.shelves[taste.category]
        if self._random.random() < _LOYALTY:
            shelf = self.shop.style_shelves.get((taste.category, taste.style), shelf)
        if not shelf:  # fewer items than categories
            return int(self._plan.n_items * self._random.random())
        return shelf[int(len(shelf) * self._random.random() ** _SKEW_ITEMS)]

    def _wait(self, mean: float) -> float:
        return self._random.expovariate(1 / mean)


def simulated_log(plan: ShopPlan, n_events: int) -> pl.DataFrame:
    """The first events of a plan in memory, in the form of `rows.LOG_SCHEMA`: for benches without data."""
    events = list(islice(Shoppers(plan).events(), n_events))
    fields = ("user_id", "item_id", "session_id", "ts", "event_type", "value", "event_id")
    columns = {name: [getattr(event, name) for event in events] for name in fields}
    nothing = [None] * len(events)
    return pl.DataFrame({**columns, "split": nothing, "context": nothing}, schema=LOG_SCHEMA)


def simulate(
    publisher: Publisher,
    plan: ShopPlan,
    *,
    n_events: int | None = None,
    pace: Pace | None = None,
    recommend: Recommend | None = None,
    stop: Callable[[], bool] = never,
    on_progress: Callable[[Progress], None] | None = None,
    on_ack: Callable[[Interaction, Ack], None] | None = None,
    clock: Clock | None = None,
) -> Progress:
    """Publish the catalogue, and then what the shoppers do, and which slates they looked at.

    Args:
        publisher: destination; the caller closes it.
        plan: the shop. Its `start_ts` should be about now where the pace is event time, and as long before
            now as the events take in event time where it is not (`ending_at`): workers refuse events from the
            future.
        n_events: how many; None = until `stop`.
        pace: None = event time, as it happens.
        recommend: what is shown to a user; None = nothing.
        stop: asked before every event; see `stream_rec.producers.feed.stopping`.
        on_progress: called about ten times a second, and at the end.
        on_ack: called with each event's acknowledgement.
        clock: of the pace.

    Raises:
        Unavailable: the bus did not take a record within `bus.publish_timeout_seconds`.
        ConfigError: the topics do not exist.
    """
    shoppers = Shoppers(plan, recommend)
    publisher.publish_all(shoppers.shop.catalogue())
    feed = Feed(
        publisher,
        pace=pace or EventTime(1.0),
        stop=stop,
        on_progress=on_progress,
        on_ack=on_ack,
        clock=clock or SystemClock(),
    )
    return feed.run(_rows(shoppers.happenings(), n_events))


def _rows(happenings: Iterable[Interaction | Impression], n_events: int | None) -> Iterator[Row | Beside]:
    """Up to the n-th event."""
    position = 0
    for each in happenings:
        if isinstance(each, Impression):
            yield Beside(position, each)
            continue
        position += 1
        yield Row(position - 1, each, position / n_events if n_events else None)
        if position == n_events:
            return


def ending_at(plan: ShopPlan, now: float, n_events: int) -> ShopPlan:
    """The plan moved in time so that its n-th event happens at about `now` (seconds), but not after it."""
    bored = 1 + plan.session_length * plan.attention * plan.boredom  # so much longer it takes if all are
    lasts = bored * n_events / plan.events_per_second
    return replace(plan, start_ts=now - 1.2 * lasts - 10 * plan.pause_seconds * plan.session_length)
