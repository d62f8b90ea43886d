"""One message of `vectors`: an item's vector in a space from now on, or that it is gone."""

from __future__ import annotations

import numpy as np

from stream_rec.errors import ContractError
from stream_rec.schemas.columns import Decoded, LeftOut, Rejected, Span, VectorBatch, VectorChange
from stream_rec.schemas.reading import Messages, Reader, is_empty
from stream_rec.schemas.records import Vector
from stream_rec.schemas.validation import check_space, check_vector, required
from stream_rec.settings import IngestSettings

_reader = Reader(Vector, check_vector)


def decode_vectors(messages: Messages, span: Span, rules: IngestSettings) -> Decoded[VectorBatch]:
    """Read a batch of `vectors`; an empty value removes the vector of its key. Never raises for what is in a message.

    Whether a vector is as long as the others of its space, only the engine can say (`Engine.learn_vectors`).
    """
    changes: list[VectorChange] = []
    rejected: list[Rejected] = []
    left_out: list[LeftOut] = []
    for key, value, offset, stamp in zip(
        messages.keys, messages.values, messages.offsets, messages.timestamps, strict=True
    ):
        try:
            changes.append(_change(key, value, offset, stamp, rules))
        except ContractError as error:
            rejected.append(Rejected(offset, stamp, error.reason, error.detail, value or b"", key))
    return Decoded(VectorBatch(span, changes), rejected, left_out)


def vector_key(space: str, item_id: str) -> str:
    """The key of an item's vector; a space has no `/` in its name, an item may."""
    return f"{space}/{item_id}"


def _change(
    key: bytes | None, value: bytes | None, offset: int, stamp: int, rules: IngestSettings
) -> VectorChange:
    if not key:
        raise ContractError("missing_key", "the key is <space>/<item_id>")
    try:
        space, slash, item_id = key.decode().partition("/")
    except UnicodeDecodeError as error:
        raise ContractError("not_utf8", f"key: {error}") from None
    if not slash:
        raise ContractError("key_mismatch", f"key {key!r} has no '/' behind the space")
    if value is None or is_empty(value):
        check_space(space)
        required("item_id", item_id, rules)
        return VectorChange(offset, stamp, space, item_id, None)
    vector, _ = _reader.read(value, stamp, rules, {"space": space, "item_id": item_id})
    if (vector.space, vector.item_id) != (space, item_id):
        raise ContractError(
            "key_mismatch", f"key {key!r}, space {vector.space!a}, item_id {vector.item_id!a}"
        )
    return VectorChange(offset, stamp, space, item_id, np.array(vector.values, np.float32), value)
