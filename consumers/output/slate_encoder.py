"""Slates as they leave a worker: a ranking for each scenario, as JSON for Redis and for the topic `slates`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stream_rec.clock import Clock
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Encoded
from stream_rec.schemas.records import AsOf, Reason, SlateItem
from stream_rec.store.encoding import EncodedSlate, encode_items, encode_slates
from stream_rec.store.keys import NEVER
from stream_rec.store.slates import SlateStore


class SlateEncoder:
    """Ranks for every scenario that is in force, and encodes the rankings.

    Args:
        clock: time at which slates are made.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def rank(
        self, engine: Engine, users: list[str], only: Collection[str] | None = None
    ) -> dict[str, Encoded]:
        """Rankings of these users by scenario; empty for no users. Engine's thread.

        Args:
            engine: ranks; knows the scenarios.
            users: user ids.
            only: of these scenarios; None = of all.
        """
        if not users:
            return {}
        names = engine.decisions.in_force(engine.event_time)
        return {
            scenario: engine.encoded(users, scenario=scenario)
            for scenario in names
            if only is None or scenario in only
        }

    def encode(self, users: list[str], ranked: Mapping[str, Encoded], as_of: AsOf) -> list[EncodedSlate]:
        """The slates of n users. From any thread.

        Args:
            users: user ids [n].
            ranked: rankings of the n users, by scenario.
            as_of: the last event that the rankings know.

        Returns:
            A slate for every scenario and user, scenario by scenario.
        """
        return [
            slate
            for scenario, found in ranked.items()
            for slate in encode_slates(
                users,
                found.items,
                as_of=as_of.under_rules(found.rules_upto),
                scenario=scenario,
                model=Engine.version,
                created_ts=self._clock.now(),
                relaxed=found.relaxed,
                tried=[each and (each.experiment, each.arm, each.share) for each in found.dealt],
            )
        ]

    def encode_nevers(self, nevers: Mapping[str, list[str]], as_of: AsOf) -> list[EncodedSlate]:
        """What users never want to see, by user, in the form of slates: for Redis alone. From any thread."""
        said = Reason(NEVER)
        return encode_slates(
            list(nevers),
            [encode_items([SlateItem(item, 0.0, said) for item in items]) for items in nevers.values()],
            as_of=as_of,
            scenario=NEVER,
            model=Engine.version,
            created_ts=self._clock.now(),
        )


@dataclass(frozen=True, slots=True)
class SlateOutput:
    """How slates leave a worker.

    Attributes:
        encoder: makes JSON of them.
        store: Redis.
        lost: set when a write shows that Redis has lost slates.
    """

    encoder: SlateEncoder
    store: SlateStore
    lost: asyncio.Event
