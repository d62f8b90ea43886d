"""What an engine has learned against a recount of the log by a plain consumer. Trusts no positions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec
import numpy as np

from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.active import user_ids
from stream_rec.engine.names import n_rows
from stream_rec.schemas.records import Interaction
from stream_rec.settings import BusSettings
from tests.reading import messages

History = tuple[int, list[str]]
"""How many events a user had, and the items of the last ones, oldest first."""


def learned(engine: Engine) -> dict[str, History]:
    """By user, as the engine knows it; each event that was learned twice, or not at all, shows."""
    histories = engine.state.histories
    rows = np.arange(n_rows(engine.state.users), dtype=np.int32)
    length = histories.items.shape[1]
    found = {}
    for row, user in zip(rows.tolist(), user_ids(engine, rows), strict=True):
        n = int(histories.n_events[row])
        slots = np.arange(max(0, n - length), n) % length
        found[user] = n, engine._names.of(engine.state.items, histories.items[row, slots]).tolist()
    return found


def recount(bus: BusSettings, length: int) -> dict[str, History]:
    """The same from the log, for histories of a length."""
    return histories(
        (msgspec.json.decode(message.value(), type=Interaction) for message in messages(bus, "events")),
        length,
    )


def histories(events: Iterable[Interaction], length: int) -> dict[str, History]:
    """The same of these events."""
    items: dict[str, list[str]] = defaultdict(list)
    for event in events:
        items[event.user_id].append(event.item_id)
    return {user: (len(of_user), of_user[-length:]) for user, of_user in items.items()}


def wrongly_learned(bus: BusSettings, engine: Engine) -> dict[str, tuple[History | None, History | None]]:
    """Users whose history is not that of the log: what was learned, and what should have been."""
    found, wanted = learned(engine), recount(bus, engine.settings.history_length)
    return {
        user: (found.get(user), wanted.get(user))
        for user in found.keys() | wanted.keys()
        if found.get(user) != wanted.get(user)
    }
