"""Reading what workers wrote, with asyncio and without: the base of the clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from stream_rec.schemas.records import Slate
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import connect_readers
from stream_rec.store.encoding import ItemList
from stream_rec.store.forgotten import WorkerReceipt
from stream_rec.store.keys import TopName
from stream_rec.store.last_values import LastValues
from stream_rec.store.questions import Pause, Question, Questions, RoundTrip
from stream_rec.store.sync_connection import connect_sync

T = TypeVar("T")


class Reader:
    """One tenant's keys. Thread-safe; connects at the first call.

    Every method raises Unavailable when Redis does not answer, and ConfigError when it refuses us.

    Raises:
        ConfigError: `store.url` is missing or wrong.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._connection = connect_sync(settings)
        self._questions = Questions(settings.prefix)

    def answer(self, question: Question[T]) -> T:
        """Run the question's steps."""
        given: list[Any] | None = None
        while True:
            try:
                step = question.send(given)  # type: ignore[arg-type]  # a generator's first value is None
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            given = self._do(step)

    def slate(self, user_id: str, scenario: str) -> Slate | None:
        """As `Questions.slate`."""
        return self.answer(self._questions.slate(user_id, scenario))

    def slates(self, user_ids: Sequence[str], scenario: str) -> list[Slate | None]:
        """As `Questions.slates`."""
        return self.answer(self._questions.slates(user_ids, scenario))

    def top(self, name: TopName) -> ItemList | None:
        """As `Questions.top`."""
        return self.answer(self._questions.top(name))

    def similar(self, item_ids: Sequence[str]) -> list[ItemList | None]:
        """As `Questions.similar`."""
        return self.answer(self._questions.similar(item_ids))

    def removed(self, item_ids: Sequence[str]) -> set[str]:
        """As `Questions.removed`."""
        return self.answer(self._questions.removed(item_ids))

    def scenarios(self) -> list[str]:
        """As `Questions.scenarios`."""
        return self.answer(self._questions.scenarios())

    def catalogue(self) -> KnownNames | None:
        """As `Questions.catalogue`."""
        return self.answer(self._questions.catalogue())

    def scenario_lists(self, scenarios: Sequence[str]) -> list[ItemList | None]:
        """As `Questions.scenario_lists`."""
        return self.answer(self._questions.scenario_lists(scenarios))

    def receipts(self, user_hash: str) -> dict[str, WorkerReceipt]:
        """As `Questions.receipts`."""
        return self.answer(self._questions.receipts(user_hash))

    def slates_of(self, user_id: str, scenarios: Sequence[str]) -> list[str]:
        """As `Questions.slates_of`."""
        return self.answer(self._questions.slates_of(user_id, scenarios))

    def delete_slates(self, user_id: str, scenarios: Sequence[str]) -> int:
        """As `Questions.delete_slates`."""
        return self.answer(self._questions.delete_slates(user_id, scenarios))

    def last_values(self) -> dict[str, LastValues]:
        """As `Questions.last_values`."""
        return self.answer(self._questions.last_values())

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _do(self, step: RoundTrip | Pause) -> list[Any]:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return []
        return self._connection.pipeline(step.commands)


class AsyncReader:
    """The same for asyncio. Use it in one event loop.

    Raises:
        ConfigError: `store.url` is missing or wrong.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._connection = connect_readers(settings)

    async def answer(self, question: Question[T]) -> T:
        """Run the question's steps."""
        given: list[Any] | None = None
        while True:
            try:
                step = question.send(given)  # type: ignore[arg-type]  # a generator's first value is None
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            given = await self._do(step)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    async def _do(self, step: RoundTrip | Pause) -> list[Any]:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return []
        return await self._connection.pipeline(step.commands)
