"""A reader that looks for what must not be shown: some items always, all that was decided once it is settled."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from stream_rec.bench.chaos.steering import FORBIDDEN, GUEST, N_ITEMS, Steering, item_name
from stream_rec.bench.steer_paths import shown
from stream_rec.errors import Unavailable
from stream_rec.serve.client import Client
from stream_rec.settings import StoreSettings

_POLL_SECONDS = 0.1
_USERS, _ITEMS = 6, 8
"""Whose slates and whose neighbours are looked at when all is settled; others each time."""
_SHOWN = 5


class ShownWatch(threading.Thread):
    """Asks like a shop, ten times a second: what was hidden before the first event is in no answer, whatever fails.

    Args:
        store: where from.
        users: whose.
        seed: of whom it asks for.

    Attributes:
        violations: in words.
        n: answers that were looked at.
    """

    def __init__(self, store: StoreSettings, users: Sequence[str], seed: int) -> None:
        super().__init__(name="shown watch", daemon=True)
        self._store = store
        self._users = users
        self._rng = random.Random(f"shown {seed}")
        self._over = threading.Event()
        self.violations: list[str] = []
        self.n = 0

    def end(self) -> None:
        """Look away."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """The thread."""
        with Client(self._store) as client:
            while not self._over.wait(_POLL_SECONDS):
                user, item = self._rng.choice(self._users), item_name(self._rng)
                try:
                    answers = {
                        f"recommendations of {user}": client.recommendations(user).items,
                        f"similar to {item}": client.similar(item),
                        "popular": client.popular(),
                        "new": client.new(),
                    }
                except Unavailable:
                    continue
                self.n += len(answers)
                for path, places in answers.items():
                    if wrong := sorted({place.item_id for place in places} & FORBIDDEN):
                        self.violations.append(f"{path}: {', '.join(wrong)}")

    def look(self, steering: Steering, scenarios: Sequence[str]) -> list[str]:
        """What is shown on any path to some users and must not be, by what was decided; a few of them, in words.

        Raises:
            Unavailable: Redis does not answer.
        """
        rng = random.Random(self.n)
        users = rng.sample(self._users, _USERS)
        items = [f"item-{n}" for n in rng.sample(range(N_ITEMS), _ITEMS)]
        with _redis_answers():
            found = [
                f"{item} by {each.path} in {each.scenario}"
                for each in shown(self._store, users, items, ("default", *scenarios))
                for item in each.items
                if not steering.may_be_shown(item, each.scenario, each.user)
            ]
        return found[:_SHOWN]

    def keys_of(self, erased: set[str]) -> list[str]:
        """Slates in Redis of somebody who was forgotten: of this tenant, for another one's guests have the same names.

        Raises:
            Unavailable: Redis does not answer.
        """
        with _redis_answers(), redis.Redis.from_url(self._store.url) as plain:
            keys = [
                key.decode()
                for key in plain.scan_iter(match=f"{self._store.prefix}rec:*:{GUEST}*", count=1_000)
            ]
        return [key for key in keys if key.rpartition(":")[2] in erased]


@contextmanager
def _redis_answers() -> Iterator[None]:
    """What a plain client says of a server that does not answer is said as our own do."""
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable("redis", str(error)) from error
