"""What readers ask of Redis, shared by the readers with and without asyncio.

A question is a generator. It yields steps, is sent what each gave, and returns the answer; a `Reader` or an
`AsyncReader` does the steps. So questions are joined by `yield from`, and hold no connection.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeVar

from stream_rec.clock import SystemClock
from stream_rec.schemas.records import Slate
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.store.decoding import Decoding
from stream_rec.store.encoding import ItemList
from stream_rec.store.forgotten import WorkerReceipt
from stream_rec.store.keys import NEVER, Keys, TopName
from stream_rec.store.last_values import LastValues

T = TypeVar("T")


class RoundTrip(NamedTuple):
    """A step: commands that go out together. Gives their replies, in order; no commands give none."""

    commands: tuple[tuple[str, ...], ...]


class Pause(NamedTuple):
    """A step: wait. Gives nothing."""

    seconds: float


Question = Generator[RoundTrip | Pause, list[Any], T]


class Questions:
    """Everything that can be asked about one tenant's keys. What cannot be read counts as absent (see `decoding`).

    Args:
        prefix: `store.prefix`.
    """

    def __init__(self, prefix: str) -> None:
        self._keys = Keys(prefix)
        self._decoding = Decoding(SystemClock())

    def slate(self, user_id: str, scenario: str) -> Question[Slate | None]:
        """The user's slate; None = there is none, or it expired.

        Raises:
            ConfigError: the scenario's name is impossible.
        """
        (raw,) = yield RoundTrip((("GET", self._keys.slate(scenario, user_id)),))
        return self._decoding.slate(raw, user_id)

    def slates(self, user_ids: Sequence[str], scenario: str) -> Question[list[Slate | None]]:
        """The slates of several users, at once; each as `slate`.

        Raises:
            ConfigError: the scenario's name is impossible.
        """
        raws = yield RoundTrip(tuple([("GET", self._keys.slate(scenario, user)) for user in user_ids]))
        return [self._decoding.slate(raw, user) for raw, user in zip(raws, user_ids, strict=True)]

    def standing(
        self, user_id: str, scenarios: Sequence[str]
    ) -> Question[list[tuple[Slate | None, ItemList | None]]]:
        """For each scenario the user's slate, and `list:<scenario>`; a slate from before the rules of now is none.

        Raises:
            ConfigError: a scenario's name is impossible.
        """
        keys = [
            key
            for scenario in scenarios
            for key in (self._keys.slate(scenario, user_id), self._keys.scenario_list(scenario))
        ]
        found = yield RoundTrip(tuple([("GET", key) for key in keys]))
        return [
            self._of_now(self._decoding.slate(slate, user_id), self._decoding.item_list(of_all))
            for slate, of_all in zip(found[::2], found[1::2], strict=True)
        ]

    @staticmethod
    def _of_now(slate: Slate | None, of_all: ItemList | None) -> tuple[Slate | None, ItemList | None]:
        is_outdated = slate is not None and of_all is not None and slate.as_of.rules < of_all.changed
        return None if is_outdated else slate, of_all

    def of_everybody(self, scenario: str) -> Question[tuple[ItemList | None, ItemList | None]]:
        """`list:<scenario>`, and `popular`; None = there is none.

        Raises:
            ConfigError: the scenario's name is impossible.
        """
        keys = self._keys.scenario_list(scenario), self._keys.top("popular")
        found = yield RoundTrip(tuple([("GET", key) for key in keys]))
        return self._decoding.item_list(found[0]), self._decoding.item_list(found[1])

    def nevers(self, user_id: str) -> Question[set[str]]:
        """The items that the user never wants to see, as far as Redis knows."""
        held = yield from self.slate(user_id, NEVER)
        return {place.item_id for place in held.items} if held else set()

    def top(self, name: TopName, tag: str = "") -> Question[ItemList | None]:
        """`popular`, `trending` or `new`, of all items or of a tag's; None = there is none."""
        (raw,) = yield RoundTrip((("GET", self._keys.top(name, tag)),))
        return self._decoding.item_list(raw)

    def similar(self, item_ids: Sequence[str]) -> Question[list[ItemList | None]]:
        """Neighbours of each item; None = there are none."""
        found = yield RoundTrip(tuple([("GET", self._keys.similar(item)) for item in item_ids]))
        return [self._decoding.item_list(raw) for raw in found]

    def removed(self, item_ids: Sequence[str], scenario: str = "") -> Question[set[str]]:
        """Those of the ids that were taken out of the catalogue, or that the scenario's filter has stopped since."""
        if not item_ids:
            return set()
        keys = dict.fromkeys((self._keys.removed, self._keys.removed_of(scenario)))
        found = yield RoundTrip(tuple([("ZMSCORE", key, *item_ids) for key in keys]))
        return {item for scores in found for item in self._decoding.removed(scores, item_ids)}

    def scenarios(self) -> Question[list[str]]:
        """Names of the scenarios that workers write slates for; none = no worker has said."""
        (names,) = yield RoundTrip((("ZRANGE", self._keys.scenarios, "0", "-1"),))
        return sorted(self._decoding.names(names, "scenarios"))

    def catalogue(self) -> Question[KnownNames | None]:
        """What is known of items; None = no worker has said."""
        (raw,) = yield RoundTrip((("GET", self._keys.catalogue),))
        return self._decoding.known_names(raw)

    def scenario_lists(self, scenarios: Sequence[str]) -> Question[list[ItemList | None]]:
        """`list:<scenario>` of each; None = there is none."""
        found = yield RoundTrip(tuple([("GET", self._keys.scenario_list(name)) for name in scenarios]))
        return [self._decoding.item_list(raw) for raw in found]

    def receipts(self, user_hash: str) -> Question[dict[str, WorkerReceipt]]:
        """What each worker says it has done about a forgotten user, by worker."""
        (found,) = yield RoundTrip((("HGETALL", self._keys.forgotten(user_hash)),))
        return self._decoding.receipts(found)

    def slates_of(self, user_id: str, scenarios: Sequence[str]) -> Question[list[str]]:
        """Those of these scenarios that the user has a slate of."""
        found = yield RoundTrip(tuple([("EXISTS", self._keys.slate(name, user_id)) for name in scenarios]))
        return [name for name, answer in zip(scenarios, found, strict=True) if answer == 1]

    def delete_slates(self, user_id: str, scenarios: Sequence[str]) -> Question[int]:
        """Delete a user's slates of these scenarios; how many there were."""
        found = yield RoundTrip(tuple([("UNLINK", self._keys.slate(name, user_id)) for name in scenarios]))
        for answer in found:
            if isinstance(answer, Exception):
                raise answer
        return sum(found)

    def last_values(self) -> Question[dict[str, LastValues]]:
        """What each live worker last reported, by worker."""
        (names,) = yield RoundTrip((("ZRANGE", self._keys.workers, "0", "-1"),))
        workers = self._decoding.names(names, "workers")
        found = yield RoundTrip(tuple([("GET", self._keys.metrics(worker)) for worker in workers]))
        values = {worker: self._decoding.last_values(raw) for worker, raw in zip(workers, found, strict=True)}
        return {worker: value for worker, value in values.items() if value is not None}
