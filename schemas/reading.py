"""Raw messages to records, one at a time: usable parts are kept, the rest is reported with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import msgspec

from stream_rec.errors import ContractError
from stream_rec.schemas.coercion import Flaw, coerced, parsed
from stream_rec.schemas.columns import LeftOut, Rejected
from stream_rec.schemas.records import PublishedRecord
from stream_rec.schemas.validation import Unusable
from stream_rec.settings import IngestSettings

R = TypeVar("R", bound=PublishedRecord)

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a decoder raises for bytes that are no record as it should be."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some tools write it before UTF-8; RFC 8259 lets a reader ignore it."""
_NOTHING: Mapping[str, str] = {}
_PARTS = 16
"""Parts of one record that may break a rule; with more it is refused."""


class Messages(Protocol):
    """n raw messages of one partition in log order, as a client of the bus gives them.

    Attributes:
        keys: [n].
        values: [n]; None = an empty message.
        offsets: [n], strictly ascending.
        timestamps: [n], the broker's, in ms; negative = it gave none.
    """

    @property
    def keys(self) -> Sequence[bytes | None]: ...

    @property
    def values(self) -> Sequence[bytes | None]: ...

    @property
    def offsets(self) -> Sequence[int]: ...

    @property
    def timestamps(self) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """What was read of a batch, in order.

    Attributes:
        offsets, broker_ts: of the records.
        records: the good ones, with what is good of them.
        rejected: the messages that are none.
        left_out: of the records, the parts that were unusable.
    """

    offsets: list[int] = field(default_factory=list)
    broker_ts: list[int] = field(default_factory=list)
    records: list[R] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


class Reader(Generic[R]):
    """Decodes and validates messages one at a time; unusable optional parts are left out.

    Args:
        kind: of the records.
        check: judges one: (record, broker timestamp in ms or a negative number, limits); raises ContractError.

    Attributes:
        decode: bytes to a record that is as it should be; raises one of UNREADABLE.
    """

    def __init__(self, kind: type[R], check: Callable[[R, int, IngestSettings], None]) -> None:
        self._kind = kind
        self._check = check
        self.decode: Callable[[bytes], R] = msgspec.json.Decoder(kind).decode

    def read_all(self, messages: Messages, rules: IngestSettings) -> Rows[R]:
        """All messages of a batch, in order."""
        rows: Rows[R] = Rows()
        columns = (messages.keys, messages.values, messages.offsets, messages.timestamps)
        for key, value, offset, stamp in zip(*columns, strict=True):
            try:
                record, flaws = self.read(value, stamp, rules)
            except ContractError as error:
                rows.rejected.append(Rejected(offset, stamp, error.reason, error.detail, value or b"", key))
                continue
            rows.records.append(record)
            rows.offsets.append(offset)
            rows.broker_ts.append(stamp)
            rows.left_out.extend(LeftOut(offset, stamp, *flaw) for flaw in flaws)
        return rows

    def read(
        self, raw: bytes | None, broker_ts: int, rules: IngestSettings, known: Mapping[str, str] = _NOTHING
    ) -> tuple[R, list[Flaw]]:
        """One message.

        Args:
            raw: its value.
            broker_ts: in ms; negative = unknown.
            rules: what is let in.
            known: fields that are known from elsewhere, for those that the message does not give.

        Raises:
            ContractError: why it is no such record, even in part.
        """
        if raw is None or is_empty(raw):
            raise ContractError("empty_value", "the message has no value")
        if len(raw) > rules.max_record_bytes:
            raise ContractError("record_too_large", f"{len(raw)} bytes, {rules.max_record_bytes} are allowed")
        raw = raw.removeprefix(_BYTE_ORDER_MARK)
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise ContractError("not_utf8", str(error)) from None
        flaws: list[Flaw] = []
        try:
            record = self.decode(raw)
        except UNREADABLE:
            given = {name: value for name, value in parsed(text).items() if value is not None}
            record, flaws = coerced(self._kind, {**known, **given})
        return self._judged(record, flaws, broker_ts, rules), flaws

    def _judged(self, record: R, flaws: list[Flaw], broker_ts: int, rules: IngestSettings) -> R:
        """The record without what is optional and breaks a rule."""
        for _ in range(_PARTS):
            try:
                self._check(record, broker_ts, rules)
            except Unusable as part:
                flaws.append(Flaw(part.field, part.reason))
                record = msgspec.structs.replace(record, **{part.field: part.instead})
            else:
                return record
        self._check(record, broker_ts, rules)
        return record


def is_empty(raw: bytes) -> bool:
    """Does the value say nothing: no bytes, or JSON's null?"""
    return not raw or raw.strip() == b"null"
