"""Decisions in the traffic, from a seed: rules, the catalogue, vectors, nevers, erasures; and what holds after them.

It is the oracle, too: what was decided last, by what the broker has acknowledged, and so what nobody may see.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec
import numpy as np
import xxhash

from stream_rec.bench.chaos import shoppers
from stream_rec.engine.spaces.learning import reduced
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import ERASURE, SCENARIO, name_about
from stream_rec.schemas.records import Control, Item, Vector
from stream_rec.schemas.scenario import Boost, Cap, Scenario
from stream_rec.settings import EngineSettings

N_ITEMS = 300
FORBIDDEN = frozenset({"item-1", "item-4", "item-9"})
"""Hidden before the first event, and for good, though people go on to click them: these nobody may ever see."""
SCENARIOS = ("shelf", "page")
SPACE = "chaos"
NEVER = "never_again"
GUEST = "guest-"
"""The names of those who will be forgotten begin so. They are in no count: whether a replica has learned their events,
and forgotten them, or never has, depends on when it was started."""
_N_TAGS, _N_NUMBERS = 7, 16
_RULES, _HIDES, _VECTORS = 0.0005, 0.003, 0.003
"""Share of events after which a scenario changes, an item is hidden or shown again, a vector changes or goes."""
_HIDDEN_AT_MOST = 30
_GUESTS = 0.01
"""Share of events that are a guest's."""
_A_GUESTS_EVENTS = 100
"""On average. Each erasure deletes all older snapshots, and faults of these need more than one."""
_AT_ONCE = 4


def item_name(rng: random.Random) -> str:
    """Whom the next event is about: few items have most events."""
    return f"item-{int(N_ITEMS * rng.random() ** 2)}"


def _tag(item: str) -> str:
    return f"tag-{int(item.removeprefix('item-')) % _N_TAGS}"


class Decided(msgspec.Struct, frozen=True):
    """What was decided, by id: the same form for an engine's state and for what was published.

    Attributes:
        scenarios: as JSON, by name.
        hidden: items that may not be shown.
        vectors: hashes of the vectors that are kept, by item.
        erased: users who are forgotten, by the names of their erasures.
    """

    scenarios: dict[str, str]
    hidden: list[str]
    vectors: dict[str, str]
    erased: list[str]


def hash_of(vector: np.ndarray[tuple[int], np.dtype[np.float32]]) -> str:
    """Of a vector as it is kept."""
    return xxhash.xxh3_64_hexdigest(vector.tobytes())


class Steering:
    """Publishes decisions, and remembers what holds after them. Traffic's thread; readable while traffic is paused.

    Args:
        seed: of all that is drawn.

    Attributes:
        n: decisions, by kind.
        nevers: items that a user never wants to see again, by user.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"steering {seed}")
        self._scenarios: dict[str, Scenario] = {}
        self._left_out: dict[str, str] = {}
        self._hidden = set(FORBIDDEN)
        self._vectors: dict[str, tuple[float, ...]] = {}
        self._erased: list[str] = []
        self.n: Counter[str] = Counter()
        self.nevers: defaultdict[str, set[str]] = defaultdict(set)

    def begin(self, publisher: Publisher, now: float) -> None:
        """The catalogue, a vector for each of its items, the first rules, and an experiment."""
        items = [f"item-{n}" for n in range(N_ITEMS)]
        publisher.publish_all(self._item(item, now) for item in items)
        for item in items:
            self._vectors[item] = self._numbers()
        publisher.publish_all(Vector(SPACE, item, self._vectors[item]) for item in items)
        for name in SCENARIOS:
            self._rule(publisher, name, now)
        shoppers.decide(publisher, now)

    def decide(self, publisher: Publisher, now: float) -> None:
        """After an event: mostly nothing."""
        drawn = self._rng.random()
        item = f"item-{self._rng.randrange(N_ITEMS)}"
        if drawn < _RULES:
            self._rule(publisher, self._rng.choice(SCENARIOS), now)
        elif drawn < _RULES + _HIDES:
            self._hide_or_show(publisher, item, now)
        elif drawn < _RULES + _HIDES + _VECTORS:
            self._move(publisher, item)

    def forget(self, publisher: Publisher, user: str, now: float) -> None:
        """An erasure."""
        self.n["erasures"] += 1
        self._erased.append(user)
        publisher.send(Control(ERASURE, name_about(user), now, {}))

    @property
    def erased(self) -> list[str]:
        """Who was forgotten."""
        return list(self._erased)

    def decided(self, settings: EngineSettings) -> Decided:
        """What every replica must hold.

        Args:
            settings: of the replicas.
        """
        kept = {
            item: hash_of(reduced(np.array(values, np.float32), settings.vector_width, settings.seed))
            for item, values in self._vectors.items()
        }
        return Decided(
            {name: as_text(scenario) for name, scenario in self._scenarios.items()},
            sorted(self._hidden),
            kept,
            sorted(map(name_about, self._erased)),
        )

    def may_be_shown(self, item: str, scenario: str | None, user: str) -> bool:
        """By what was decided last.

        Args:
            item: id.
            scenario: whose rules hold; None = those that hold for everybody.
            user: whose nevers hold; empty = nobody's.
        """
        if item in self._hidden or _tag(item) == self._left_out.get(scenario or ""):
            return False
        return not user or item not in self.nevers.get(user, ())

    def _numbers(self) -> tuple[float, ...]:
        start = self._rng.uniform(0.0, 100.0)
        return tuple(math.sin(start * j) for j in range(1, _N_NUMBERS + 1))

    def _rule(self, publisher: Publisher, name: str, now: float) -> None:
        self.n["rules"] += 1
        tag = f"tag-{self._rng.randrange(_N_TAGS)}"
        scenario = Scenario(
            k=12,
            filter=f"!('{tag}' in tags)",
            boosts=(Boost(f"'tag-{self._rng.randrange(_N_TAGS)}' in tags", 2.0),),
            caps=(Cap("tags", 3, 6),),
            fallbacks=("popular",),
        )
        self._scenarios[name], self._left_out[name] = scenario, tag
        publisher.send(Control(SCENARIO, name, now, msgspec.to_builtins(scenario)))

    def _hide_or_show(self, publisher: Publisher, item: str, now: float) -> None:
        if item in FORBIDDEN:
            return
        self.n["hides"] += 1
        if item in self._hidden or len(self._hidden) >= _HIDDEN_AT_MOST:
            item = item if item in self._hidden else min(self._hidden - FORBIDDEN)
            self._hidden.discard(item)
        else:
            self._hidden.add(item)
        publisher.send(self._item(item, now))

    def _move(self, publisher: Publisher, item: str) -> None:
        self.n["vectors"] += 1
        if item in self._vectors and self._rng.random() < 0.3:
            del self._vectors[item]
            publisher.remove_vector(SPACE, item)
        else:
            self._vectors[item] = self._numbers()
            publisher.send(Vector(SPACE, item, self._vectors[item]))

    def _item(self, item: str, now: float) -> Item:
        n = item.removeprefix("item-")
        return Item(item, f"Item {n}", (_tag(item),), now, hidden=item in self._hidden)


class Guests:
    """People who act for a while, and then are to be forgotten. Traffic's thread."""

    def __init__(self) -> None:
        self._here: list[str] = []
        self._gone: set[str] = set()
        self._waiting: Counter[str] = Counter()
        self._n = 0
        self._n_events = 0

    def next(self, rng: random.Random) -> str:
        """Whose the next event is; empty = no guest's."""
        if rng.random() >= _GUESTS:
            return ""
        if len(self._here) < _AT_ONCE:
            self._n += 1
            self._here.append(f"{GUEST}{self._n}-of-chaos")
        guest = rng.choice(self._here)
        self._waiting[guest] += 1
        self._n_events += 1
        if self._n_events % _A_GUESTS_EVENTS == _A_GUESTS_EVENTS // 4:
            self._here.remove(guest)
            self._gone.add(guest)
        return guest

    def acked(self, user: str) -> None:
        """An event of somebody is in the log."""
        if user.startswith(GUEST):
            self._waiting[user] -= 1

    def leave(self) -> Iterator[str]:
        """Those who are gone, and whose events are all in the log."""
        for guest in [guest for guest in self._gone if not self._waiting[guest]]:
            self._gone.remove(guest)
            del self._waiting[guest]
            yield guest


def as_text(scenario: Scenario) -> str:
    """A scenario's form for comparisons."""
    return msgspec.json.encode(scenario, order="sorted").decode()
