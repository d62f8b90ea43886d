"""People in an experiment, from a seed: they look at slates and act on them; and what must be counted of that.

A join of what was published, by hand and offline: of whom, of which arm, was what counted. It knows nothing of rings,
chains, positions and snapshots. An interaction is of the slate that it names, or of the one slate of its user that
held the item.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import EXPERIMENT, hash_of
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.records import Control, Impression, Interaction

SHOPPER = "shopper-"
"""Their names begin so."""
TRIAL, ARMS, WHERE = "chaos-trial", ("control", "short"), "page"
N_BUCKETS = 1024
"""Engines count by arm and bucket of users (the last bits of the hash)."""
COUNTED = ("user", "shown", "click", "cart", "purchase", "revenue", "refund")
"""Outcomes that do not depend on which of two topics is learned first; sessions and the past before a slate do."""
SEEN_SECONDS = 10.0
"""Nothing is shown before every worker has read that the experiment runs."""
_SHARE = 0.06
"""Of events: something that a shopper does."""
_AT_ONCE = 6
_SLATES, _PLACES, _ACTIONS = 5, 4, 24
"""Of one shopper, at most; few enough for walks along chains of 32."""
_NAMED, _LATE, _WITH_ID, _REPEATED = 0.5, 0.3, 0.7, 0.2
"""Share of interactions that name their slate; whose time is before that of the one before; that have an event_id; and
of those, that are sent twice."""
_SHOWS = 0.25
Record = Impression | Interaction


def decide(publisher: Publisher, now: float) -> None:
    """The experiment runs from now on. Its rules decide nothing: what is looked at is what they go by."""
    experiment = Experiment(
        (Arm(ARMS[0]), Arm(ARMS[1], scenario={"k": 6})),
        scenarios=(WHERE,),
        alpha=1e-4,
        state="running",
        started=now,
        since=now,
    )
    publisher.send(Control(EXPERIMENT, TRIAL, now, msgspec.to_builtins(experiment)))


class _Shopper:
    """One of them: items of different slates are different, so each item is of one slate."""

    def __init__(self, name: str, rng: random.Random, items: Iterable[str]) -> None:
        self.name = name
        self.left = rng.randrange(_ACTIONS // 2, _ACTIONS)
        self.slates: list[Impression] = []
        self._items = list(items)

    def show(self, arm: str, now: float) -> Impression:
        n = len(self.slates)
        items = tuple(self._items[n * _PLACES : (n + 1) * _PLACES])
        slate = Impression(
            f"{self.name}-slate-{n}", self.name, now, items, WHERE, variant=arm, experiment=TRIAL
        )
        self.slates.append(slate)
        return slate

    def act(self, rng: random.Random, now: float) -> Interaction:
        slate = rng.choice(self.slates)
        item = rng.choice(slate.items)
        kind = rng.choice(("click", "click", "cart", "purchase", "purchase"))
        price = float(1 + int(item.removeprefix("item-")) % 50)
        return Interaction(
            self.name,
            item,
            kind,
            rng.uniform(slate.ts, now) if rng.random() < _LATE else now,
            value=(-1.0 if rng.random() < 0.2 else price) if kind == "purchase" else None,
            event_id=f"{self.name}-event-{self.left}" if rng.random() < _WITH_ID else None,
            slate_id=slate.slate_id if rng.random() < _NAMED else None,
        )


class Shoppers:
    """Draws what they do. Traffic's thread.

    Args:
        n_items: of the catalogue: `item-0`, and so on.
        began: when the experiment did, seconds since the epoch.
    """

    def __init__(self, n_items: int, began: float) -> None:
        self._items = [f"item-{n}" for n in range(n_items)]
        self._from = began + SEEN_SECONDS
        self._here: list[_Shopper] = []
        self._n = 0

    def next(self, rng: random.Random, now: float, share: float = _SHARE) -> list[Record]:
        """What one of them does next, in order; mostly nothing."""
        if now < self._from or rng.random() >= share:
            return []
        if len(self._here) < _AT_ONCE:
            self._n += 1
            items = rng.sample(self._items, _SLATES * _PLACES)
            self._here.append(_Shopper(f"{SHOPPER}{self._n}", rng, items))
        shopper = rng.choice(self._here)
        shopper.left -= 1
        if shopper.left == 0:
            self._here.remove(shopper)
        if not shopper.slates or (len(shopper.slates) < _SLATES and rng.random() < _SHOWS):
            return [shopper.show(ARMS[int(shopper.name.removeprefix(SHOPPER)) % 2], now)]
        done = shopper.act(rng, now)
        return [done, done] if done.event_id and rng.random() < _REPEATED else [done]


class Join:
    """Records of the log in any order, each once; an event_id counts once."""

    def __init__(self) -> None:
        self._slates: dict[str, Impression] = {}
        self._done: dict[object, Interaction] = {}

    def add(self, record: Record) -> None:
        """One more record of the log."""
        if isinstance(record, Impression):
            self._slates[record.slate_id] = record
        elif record.user_id.startswith(SHOPPER):
            self._done.setdefault(record.event_id or len(self._done), record)

    def counts(self) -> dict[str, float]:
        """By `<arm>/<bucket of users>/<outcome>`; what is 0 is left out."""
        found: Counter[str] = Counter()
        of_user: defaultdict[str, list[Impression]] = defaultdict(list)
        for slate in self._slates.values():
            of_user[slate.user_id].append(slate)
            found[_key(slate, "user")] += len(of_user[slate.user_id]) == 1
            found[_key(slate, "shown")] += 1
        once: set[tuple[str, str, str]] = set()
        for done in self._done.values():
            for slate in of_user[done.user_id]:
                is_meant = done.slate_id in (None, slate.slate_id)
                if is_meant and done.item_id in slate.items and done.ts >= slate.ts:
                    for outcome, amount in _outcomes(done):
                        at = (slate.slate_id, done.item_id, outcome)
                        found[_key(slate, outcome)] += 0 if at in once and outcome != "refund" else amount
                        once.add(at)
        return {key: float(amount) for key, amount in found.items() if amount}


def _outcomes(done: Interaction) -> list[tuple[str, int]]:
    price = int(done.value or 0)
    if done.event_type == "purchase" and price < 0:
        return [("click", 1), ("refund", -price)]
    bought = [("purchase", 1), ("revenue", price)] if done.event_type == "purchase" else []
    return [("click", 1), *bought, *([("cart", 1)] if done.event_type == "cart" else [])]


def _key(slate: Impression, outcome: str) -> str:
    return f"{slate.variant}/{hash_of(slate.user_id) % N_BUCKETS}/{outcome}"
