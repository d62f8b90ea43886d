"""Vectors of items: put into their spaces, and taken out, many at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stream_rec.api.body import bounded, read_json
from stream_rec.api.ingest import Ingest, RecordReader, Wanted, refused
from stream_rec.api.operation import Answer, Call, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.api.routes.events import BATCH, PROBLEMS, read_batch
from stream_rec.errors import ContractError
from stream_rec.schemas.reading import Reader
from stream_rec.schemas.records import Vector
from stream_rec.schemas.validation import check_space, check_vector, required
from stream_rec.schemas.vector_changes import vector_key
from stream_rec.sdk.wire import VectorName
from stream_rec.settings import Settings


class Vectors:
    """The routes.

    Args:
        settings: limits.
        ingest: writes.
    """

    def __init__(self, settings: Settings, ingest: Ingest) -> None:
        self._ingest = ingest
        self._rules = settings.ingest
        self._most = settings.serve.max_batch
        self._reader = RecordReader("vectors", Reader(Vector, check_vector), settings.ingest)
        self._names = msgspec.json.Decoder(list[VectorName]).decode

    async def put_many(self, call: Call) -> Answer:
        """Each is its item's from now on."""
        found = bounded(read_json(call.body, read_batch), "vectors", self._most)
        wanted = [self._reader.read(bytes(raw), _any) for raw in found]
        return self._told(await self._ingest.many("vectors", wanted))

    async def delete_many(self, call: Call) -> Answer:
        """Each item has none from now on."""
        names = bounded(read_json(call.body, self._names), "vectors", self._most)
        return self._told(await self._ingest.many("vectors", [self._removal(each) for each in names]))

    def _removal(self, of: VectorName) -> Wanted | Problem:
        try:
            check_space(of.space)
            required("item_id", of.item_id, self._rules)
        except ContractError as error:
            return refused("vectors", error, b"")
        return Wanted(vector_key(of.space, of.item_id).encode(), None)

    @staticmethod
    def _told(batch: Any) -> Answer:
        return answer(batch, 202 if batch.accepted or not batch.results else 422)

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        shared: dict[str, Any] = {"scope": "publish", "problems": PROBLEMS}
        name = {"space": "text-minilm", "item_id": "milk"}
        yield Operation(
            "POST",
            "/v1/vectors/batch",
            self.put_many,
            "Put vectors of items into their spaces (docs/vectors.md), each in place of the one that its item had. "
            "One that is not as long as its space's is set aside by the workers.",
            BATCH,
            body=list[Vector],
            body_example=[{**name, "values": [0.12, -0.7, 0.33]}],
            **shared,
        )
        yield Operation(
            "POST",
            "/v1/vectors/batch/delete",
            self.delete_many,
            "Take items out of vector spaces.",
            BATCH,
            body=list[VectorName],
            body_example=[name],
            **shared,
        )


def _any(_: Vector) -> None:
    """Every vector may be published."""
