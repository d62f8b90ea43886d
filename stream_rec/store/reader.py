"""Reading what workers wrote, without asyncio: what the client stands on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from stream_rec.schemas.records import Slate
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import answering, connect_sync
from stream_rec.store.encoding import ItemList
from stream_rec.store.keys import Keys, TopName
from stream_rec.store.last_values import LastValues

_decode_slate = msgspec.json.Decoder(Slate).decode
_decode_list = msgspec.json.Decoder(ItemList).decode
_decode_values = msgspec.json.Decoder(LastValues).decode


class Reader:
    """One tenant's keys. Thread-safe; connects at the first call.

    Every method raises Unavailable when Redis does not answer, and ConfigError when it refuses us.

    Raises:
        ConfigError: `store.url` is missing or wrong.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._redis = connect_sync(settings)
        self._url = settings.url
        self._keys = Keys(settings.prefix)

    def slate(self, user_id: str, scenario: str) -> Slate | None:
        """The user's slate; None = there is none, or it expired."""
        with answering(self._url):
            raw = self._redis.get(self._keys.slate(scenario, user_id))
        return None if raw is None else _decode_slate(raw)

    def top(self, name: TopName) -> ItemList | None:
        """`popular`, `trending` or `new`; None = there is none."""
        with answering(self._url):
            raw = self._redis.get(self._keys.top(name))
        return None if raw is None else _decode_list(raw)

    def similar(self, item_ids: Sequence[str]) -> list[ItemList | None]:
        """Neighbours of each item, in one round trip; None = there are none."""
        pipeline = self._redis.pipeline(transaction=False)
        for item in item_ids:
            pipeline.get(self._keys.similar(item))
        with answering(self._url):
            return [None if raw is None else _decode_list(raw) for raw in pipeline.execute()]

    def removed(self, item_ids: Sequence[str]) -> set[str]:
        """Those of the ids that were taken out of the catalogue."""
        if not item_ids:
            return set()
        with answering(self._url):
            when = self._redis.zmscore(self._keys.removed, list(item_ids))
        return {item for item, removed_at in zip(item_ids, when, strict=True) if removed_at is not None}

    def last_values(self) -> dict[str, LastValues]:
        """What each live worker last reported, by worker."""
        with answering(self._url):
            workers = [cast(bytes, name).decode() for name in self._redis.zrange(self._keys.workers, 0, -1)]
            pipeline = self._redis.pipeline(transaction=False)
            for worker in workers:
                pipeline.get(self._keys.metrics(worker))
            values = pipeline.execute()
        return {
            worker: _decode_values(raw)
            for worker, raw in zip(workers, values, strict=True)
            if raw is not None
        }

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
