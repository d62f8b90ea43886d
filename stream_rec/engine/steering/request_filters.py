"""Filters that come with requests: compiled once for all items, and kept by scenario and expression, within a bound.

They are scenarios of their own: the one asked for, with its filter and the request's both in force.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from msgspec import structs

from stream_rec.engine.catalogue.attributes import ItemAttributes
from stream_rec.engine.held import Held
from stream_rec.engine.steering.pacing import Pacing
from stream_rec.engine.steering.scenes import Ruled, Scenes
from stream_rec.schemas.event_types import EventTypes
from stream_rec.schemas.scenario import Promotion, Scenario

Key = tuple[str, str]
"""Scenario, and the request's expression."""


class TooManyFilters(Exception):
    """More filters are asked for at a time than are kept."""


def both(scenario: str, request: str) -> str:
    """One expression that is true where both are; an empty one asks nothing."""
    return f"({scenario}) && ({request})" if scenario.strip() else request


class RequestFilters:
    """Scenarios with filters of requests. Engine's thread.

    Args:
        held: the state, read only.
        attributes: of items.
        types: the table of event types.
        pacing: of promotions, read only.
        most: filters that are kept; the one that was not asked for longest makes room.
    """

    def __init__(
        self, held: Held, attributes: ItemAttributes, types: EventTypes, pacing: Pacing, most: int
    ) -> None:
        self._scenes = Scenes(held, attributes, types, self._is_due)
        self._pacing = pacing
        self._most = most
        self._kept: OrderedDict[Key, Scenario] = OrderedDict()
        self._known: Mapping[str, Scenario] | None = None

    def prepare(self, scenarios: Mapping[str, Scenario], key: Key) -> bool:
        """One bounded portion of what has to be evaluated; is the filter ready?

        Args:
            scenarios: that are in force.
            key: its scenario is one of them, and its expression can be compiled.

        Raises:
            TooManyFilters: all that are kept are being compiled.
        """
        if key not in self._kept:
            self._enter(key, scenarios)
            self._known = None
        self._kept.move_to_end(key)
        if scenarios is not self._known:
            self._known = scenarios
            self._kept = OrderedDict(
                (each, _with(scenarios[each[0]], each[1])) for each in self._kept if each[0] in scenarios
            )
            self._scenes.follow({_name(each): scenario for each, scenario in self._kept.items()})
        self._scenes.compile()
        return not self._scenes.masks.is_pending(_name(key))

    def ruled(self, key: Key, k: int, *, only_catalogue: bool) -> Ruled:
        """The scenario under the filter, which was ready.

        Raises:
            TooManyFilters: it had to make room meanwhile.
        """
        name = _name(key)
        ruled = self._scenes.of(name, k, only_catalogue=only_catalogue)
        if ruled is None or not self._scenes.masks.is_in_force(name):
            raise TooManyFilters
        return ruled

    def _is_due(self, name: str, promotion: Promotion, now: float) -> bool:
        return self._pacing.is_due(_key(name)[0], promotion, now)

    def _enter(self, key: Key, scenarios: Mapping[str, Scenario]) -> None:
        if len(self._kept) >= self._most:
            ready = (each for each in self._kept if not self._scenes.masks.is_pending(_name(each)))
            oldest = next(ready, None)
            if oldest is None:
                raise TooManyFilters
            del self._kept[oldest]
        self._kept[key] = scenarios[key[0]]


def _name(key: Key) -> str:
    return "\0".join(key)


def _key(name: str) -> Key:
    scenario, request = name.split("\0", 1)
    return scenario, request


def _with(scenario: Scenario, request: str) -> Scenario:
    return structs.replace(scenario, filter=both(scenario.filter, request))
