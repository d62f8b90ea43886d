"""The items as the topic `items` has them: what the page calls them, and finds them by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import nsmallest

from stream_rec.bus.batch import Fetched
from stream_rec.errors import ContractError
from stream_rec.schemas.item_changes import item_change
from stream_rec.schemas.records import Item
from stream_rec.settings import IngestSettings


class Catalogue:
    """Items by id. One thread takes; others read.

    Args:
        rules: limits of records.
        most: items that are remembered; those heard of longest ago are forgotten.
    """

    def __init__(self, rules: IngestSettings, most: int) -> None:
        self._rules = rules
        self._most = most
        self._items: OrderedDict[str, Item] = OrderedDict()

    def take(self, batch: Fetched) -> None:
        """A batch of `items`; what workers do not take, this does not."""
        for key, value, stamp in zip(batch.keys, batch.values, batch.timestamps, strict=True):
            try:
                item_id, item, _ = item_change(key, value, int(stamp), self._rules)
            except ContractError:
                continue
            self._items.pop(item_id, None)
            if item is not None:
                self._items[item_id] = item
                if len(self._items) > self._most:
                    self._items.popitem(last=False)

    def __len__(self) -> int:
        """Items that are known."""
        return len(self._items)

    def find(self, item_id: str) -> Item | None:
        """The item's last record; None = there is none, or the item was removed."""
        return self._items.get(item_id)

    def title(self, item_id: str) -> str:
        """What people call it: its title, else its id."""
        found = self._items.get(item_id)
        return found.title if found and found.title else item_id

    def search(self, text: str, most: int) -> list[Item]:
        """Items by id, or by a part of the title; the shortest titles first."""
        wanted = text.strip().casefold()

        def matching() -> Iterator[Item]:
            for item in list(self._items.values()):
                if not wanted or wanted == item.item_id.casefold() or wanted in item.title.casefold():
                    yield item

        def order(item: Item) -> tuple[bool, int, str]:
            return item.item_id.casefold() != wanted, len(item.title), item.item_id

        return nsmallest(most, matching(), key=order)

    def named(self, words: str) -> str:
        """The id of an item by id or by its whole title; words that are neither are taken for an id."""
        text = words.strip()
        if text in self._items:
            return text
        wanted = text.casefold()
        found = (item.item_id for item in list(self._items.values()) if item.title.casefold() == wanted)
        return next(found, text)

    def hidden(self) -> list[Item]:
        """Items that somebody has hidden."""
        return [item for item in list(self._items.values()) if item.hidden]
