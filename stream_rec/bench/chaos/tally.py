"""What was learned, counted: the same form for a replica's witness and for a recount of the log.

Nothing decays, nothing is derived from positions: each event that is counted twice or not at all shows.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from stream_rec.bench.chaos.steering import Decided

_encode = msgspec.json.Encoder().encode
_in_order = msgspec.json.Encoder(order="sorted").encode
_NOTHING = bytes(16)


class Tally:
    """Integer counts per user and per item, and a rolling hash per partition of (offset, event), in order.

    Attributes:
        users, items: events by id.
        events: events by partition.
        chain: by partition, a hash of all its events so far, in the order in which they were counted.
    """

    def __init__(self) -> None:
        self.users: Counter[str] = Counter()
        self.items: Counter[str] = Counter()
        self.events: Counter[int] = Counter()
        self.chain: defaultdict[int, bytes] = defaultdict(lambda: _NOTHING)

    def add(self, partition: int, events: Iterable[tuple[int, str, str, str]]) -> None:
        """Count events of a partition, in order: (offset, event_id, user_id, item_id), "" = no event_id."""
        chain = self.chain[partition]
        for event in events:
            _, _, user, item = event
            self.users[user] += 1
            self.items[item] += 1
            self.events[partition] += 1
            chain = hashlib.blake2b(chain + _encode(event), digest_size=16).digest()
        self.chain[partition] = chain

    def shown(self) -> Testimony:
        """As it is now."""
        return Testimony(
            dict(self.users),
            dict(self.items),
            dict(self.events),
            {partition: chain.hex() for partition, chain in self.chain.items()},
        )

    @classmethod
    def of(cls, shown: Testimony) -> Tally:
        """The tally that was shown, to count on."""
        tally = cls()
        tally.users.update(shown.users)
        tally.items.update(shown.items)
        tally.events.update(shown.events)
        tally.chain.update({partition: bytes.fromhex(chain) for partition, chain in shown.chain.items()})
        return tally


class Testimony(msgspec.Struct, frozen=True):
    """A tally at one moment, and what the engine's own state says of it.

    Attributes:
        users, items, events, chain: of the tally.
        histories: interests by user, as the engine counts them in its own state; None = all events are interests.
        decided: rules, the catalogue, vectors and erasures; None = nothing is known of them.
        guests: ids of guests that are found in an engine's state.
        outcomes: of the experiment, by arm, bucket of users and outcome; None = nothing is known of them.
    """

    users: dict[str, int]
    items: dict[str, int]
    events: dict[int, int]
    chain: dict[int, str]
    histories: dict[str, int] | None = None
    decided: Decided | None = None
    guests: list[str] = []
    outcomes: dict[str, float] | None = None

    def digest(self) -> str:
        """Equal for replicas that have learned the same log, whenever they were started."""
        plain = msgspec.to_builtins(msgspec.structs.replace(self, guests=[]), str_keys=True)
        return hashlib.blake2b(_in_order(plain), digest_size=16).hexdigest()
