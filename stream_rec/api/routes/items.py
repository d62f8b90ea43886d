"""The catalogue: items, whole or in part, one or many, and gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from stream_rec.api.body import bounded, read_json
from stream_rec.api.ids import must_be_id
from stream_rec.api.ingest import Ingest, RecordReader, Wanted, left_out, refused
from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.api.routes.events import BATCH, PROBLEMS, read_batch
from stream_rec.errors import ContractError
from stream_rec.schemas.codec import encode
from stream_rec.schemas.item_changes import item_change
from stream_rec.schemas.reading import Reader
from stream_rec.schemas.records import Item
from stream_rec.schemas.validation import check_item
from stream_rec.sdk.wire import Written
from stream_rec.settings import Settings

ITEM = {"item_id": "milk", "title": "Milk", "tags": ["dairy"], "price": 1.2}


class Items:
    """The routes.

    Args:
        settings: limits, and where Kafka is.
        ingest: writes.
    """

    def __init__(self, settings: Settings, ingest: Ingest) -> None:
        self._settings = settings
        self._ingest = ingest
        self._reader = RecordReader("items", Reader(Item, check_item), settings.ingest)
        self._patching = asyncio.Lock()

    async def put(self, call: Call) -> Answer:
        """All that is known of an item from now on."""
        item_id = call.path["item_id"]
        must_be_id(item_id, "path item_id", self._settings.ingest)
        return answer(await self._ingest.one("items", self._wanted(item_id, call.body)), 202)

    async def delete(self, call: Call) -> Answer:
        """The item is gone."""
        item_id = call.path["item_id"]
        must_be_id(item_id, "path item_id", self._settings.ingest)
        return answer(await self._ingest.one("items", Wanted(item_id.encode(), None)), 202)

    async def patch(self, call: Call) -> Answer:
        """The item's last record with some fields changed. One at a time: each must see the one before."""
        item_id = call.path["item_id"]
        must_be_id(item_id, "path item_id", self._settings.ingest)
        change = read_json(call.body, _object)
        async with self._patching:
            now = await self._present(item_id)
            body = msgspec.json.encode(merged(now, change))
            return answer(await self._ingest.one("items", self._wanted(item_id, body)), 202)

    async def put_many(self, call: Call) -> Answer:
        """Many items, as `put`."""
        found = bounded(read_json(call.body, read_batch), "items", self._settings.serve.max_batch)
        batch = await self._ingest.many("items", [self._reader.read(bytes(raw), _any) for raw in found])
        return answer(batch, 202 if batch.accepted or not batch.results else 422)

    async def delete_many(self, call: Call) -> Answer:
        """Many items, as `delete`."""
        ids = bounded(read_json(call.body, _ids), "items", self._settings.serve.max_batch)
        batch = await self._ingest.many("items", [self._removal(item_id) for item_id in ids])
        return answer(batch, 202 if batch.accepted or not batch.results else 422)

    def _wanted(self, item_id: str, body: bytes) -> Wanted:
        try:
            _, item, flaws = item_change(item_id.encode(), body, -1, self._settings.ingest)
        except ContractError as error:
            raise refused("items", error, body) from None
        if item is None:
            raise Problem("refused", "the body says nothing", where="body", fix="send an item, or DELETE")
        return Wanted(item_id.encode(), encode(item), left_out(flaws))

    def _removal(self, item_id: str) -> Wanted | Problem:
        try:
            must_be_id(item_id, "body item_id", self._settings.ingest)
        except Problem as problem:
            return problem
        return Wanted(item_id.encode(), None)

    async def _present(self, item_id: str) -> dict[str, Any]:
        """The item's last record.

        Raises:
            Problem: there is none.
        """
        bus = self._settings.bus
        if not bus.bootstrap:
            raise Problem("not-set-up", "this server has no Kafka", fix="set bus.bootstrap")
        from stream_rec.bus.item_log import last_record  # with it come the kernels, twice a server's memory

        found = await asyncio.to_thread(last_record, bus, item_id)
        try:
            item = found and item_change(item_id.encode(), found[3], -1, self._settings.ingest)[1]
        except ContractError:
            item = None
        if not item:
            raise Problem("not-found", "no record says what this item is", where="path item_id", fix="PUT it")
        known: dict[str, Any] = msgspec.to_builtins(item)
        return known

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        shared: dict[str, Any] = {"scope": "publish", "problems": PROBLEMS}
        one = {202: Example("Kafka has acknowledged it", Written, {"partition": 0, "offset": 5})}
        path = "/v1/items/{item_id:id}"
        summary = "What an item is from now on; a field that is not given is not set."
        yield Operation("PUT", path, self.put, summary, one, body=Item, body_example=ITEM, **shared)
        yield Operation(
            "PATCH",
            path,
            self.patch,
            "Change some fields of an item (JSON Merge Patch: null unsets). Reads the item's partition from its start: "
            "send whole items where you can.",
            one,
            body=dict[str, Any],
            body_example={"price": 1.1, "description": None},
            is_slow=True,
            scope="publish",
            problems=(*PROBLEMS, "not-found"),
        )
        yield Operation("DELETE", path, self.delete, "Take an item out of the catalogue.", one, **shared)
        yield Operation(
            "POST",
            "/v1/items/batch",
            self.put_many,
            "Say what many items are; what is refused says why, and the rest goes on.",
            BATCH,
            body=list[Item],
            body_example=[ITEM],
            **shared,
        )
        yield Operation(
            "POST",
            "/v1/items/batch/delete",
            self.delete_many,
            "Take many items out of the catalogue.",
            BATCH,
            body=list[str],
            body_example=["milk", "bread"],
            **shared,
        )


def merged(now: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """An object changed by a JSON Merge Patch (RFC 7396)."""
    found = dict(now)
    for name, value in change.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict):
            inner = found.get(name)
            found[name] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            found[name] = value
    return found


_object = msgspec.json.Decoder(dict[str, Any]).decode
_ids = msgspec.json.Decoder(list[str]).decode


def _any(_: Item) -> None:
    """Every item may be published."""
