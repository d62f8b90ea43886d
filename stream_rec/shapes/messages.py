"""What goes into a mapper, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec

from stream_rec.schemas.records import Impression, Interaction, Item

NO_HEADERS: Mapping[str, bytes] = {}


class RawMessage(NamedTuple):
    """A message as a broker gives it.

    Attributes:
        value: its bytes; None or empty = a tombstone.
        key: its bytes, or None.
        headers: by name, the last of each.
        timestamp: the broker's, ms since the epoch; -1 = none.
        topic: where it came from; empty = from no broker, and then no event id is made of its place.
        partition: of that topic.
        offset: in that partition; of a file, the row.
    """

    value: bytes | None
    key: bytes | None = None
    headers: Mapping[str, bytes] = NO_HEADERS
    timestamp: int = -1
    topic: str = ""
    partition: int = 0
    offset: int = 0


class Refused(msgspec.Struct, frozen=True):
    """A message, or one element of it, that became no record.

    Attributes:
        reason: a short, stable code; those of `MEANT` are as the shape has it and no fault.
        field: of our record, or of the shape: what could not be filled.
        detail: for a person.
        theirs: the event type as it stands in the message, where it is the type or an id that is refused; else empty.
        is_told: does `detail` say what to do already?
        stands_for_none: an id that stands for nobody or nothing; else empty.
    """

    reason: str
    field: str
    detail: str = ""
    theirs: str = ""
    is_told: bool = False
    stands_for_none: str = ""

    @property
    def is_meant(self) -> bool:
        """Does the shape itself leave it out? No dead letter, then."""
        return self.reason in MEANT


class Unread(msgspec.Struct, frozen=True):
    """A part of the record before it that could not be read: the record goes without it.

    Attributes:
        reason: a code of `schemas.validation.REASONS`.
        field: of our record.
        detail: for a person.
        is_told: does `detail` say what to do already?
    """

    reason: str
    field: str
    detail: str = ""
    is_told: bool = False


class Removed(msgspec.Struct, frozen=True):
    """An item that is gone: a tombstone for the topic `items`.

    Attributes:
        item_id: the item.
    """

    item_id: str


class SignIn(msgspec.Struct, frozen=True):
    """A message that says that a visitor is a user: what was learned of the visitor is to become the user's.

    Attributes:
        visitor_id: under which events came until then: a browser's id, say.
        user_id: who that is.
    """

    visitor_id: str
    user_id: str


MEANT = frozenset({"not_kept", "other_type", "tombstone", "deleted", "no_merge"})
"""Reasons for which a message is left out as the shape says: its `keep`, a type it does not list, a deleted row, two
ids that are not of a visitor and a user."""

NO_RECORD: dict[str, str] = {
    "not_kept": "the shape's `keep` does not hold",
    "other_type": "the shape does not list the event type",
    "tombstone": "the message has no value",
    "deleted": "the row was deleted",
    "no_merge": "one of the two ids of a merge is missing or stands for nobody, or both are the same",
    "null_word": "a required field holds a word that stands for nothing, or a user id that stands for nobody",
    "not_gzip": "the value is no whole gzip, or too large a one",
    "not_csv": "the value is no CSV, or a row has another number of columns",
    "not_msgpack": "the value is no MessagePack",
    "not_avro": "the value is not of its Avro schema",
    "not_avro_schema": "the registry's Avro schema cannot be read",
    "other_schema": "the value is of another Avro schema than the shape's schema_file",
    "not_protobuf": "the value is not of its Protobuf message",
    "not_protobuf_schema": "the registry's Protobuf schema cannot be read",
    "not_confluent": "the value names no schema of a registry",
    "unknown_schema": "the registry has no schema of that id",
}
"""Reasons of refusals beside those of `schemas.validation.REASONS`, and their meaning. Metric labels: stable."""

Mapped = Interaction | Item | Impression | Removed | SignIn | Refused | Unread


class Registered(NamedTuple):
    """A schema as a registry has it.

    Attributes:
        kind: `AVRO`, `JSON` or `PROTOBUF`.
        text: the schema; of Protobuf its FileDescriptorProto, serialised and in base64 (`?format=serialized`).
        references: name and text of every schema that it names, those first that others name.
    """

    kind: str
    text: str
    references: tuple[tuple[str, str], ...] = ()


class Registry(Protocol):
    """A schema registry. Answers are kept by the mapper, one for each id."""

    def schema(self, schema_id: int | str) -> Registered:
        """The schema of an id, a number or a GUID.

        Raises:
            Unavailable: it did not answer: try the message again.
            ContractError: it knows no such schema.
        """
        ...
