"""A foreign message as the records that are published for it. Knows no broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.bridge.inputs import Input
from stream_rec.consumers.bridge.merges import Merges
from stream_rec.consumers.output.dead_letters import DeadLetters
from stream_rec.consumers.output.emitter import Outgoing
from stream_rec.errors import ContractError
from stream_rec.schemas.columns import Rejected, Span
from stream_rec.schemas.decisions import merge_of
from stream_rec.schemas.records import Control, Interaction, PublishedRecord, TopicName
from stream_rec.schemas.topics import check, key_of, topic_of
from stream_rec.schemas.validation import Unusable, required
from stream_rec.settings import IngestSettings
from stream_rec.shapes.event_names import closest
from stream_rec.shapes.listed_types import count_name
from stream_rec.shapes.messages import Mapped, RawMessage, Refused, Removed, SignIn, Unread

_log = logs.get("bridge")
_TOLD_EVERY_SECONDS = 600.0
"""Between two lines on the types of a topic that are left out."""
_NUL = rb"\u0000"
"""As JSON has it."""

Record = tuple[TopicName, bytes, bytes | None]
"""Topic, key and value; None = a tombstone."""


class Translator:
    """Maps messages and counts what becomes of them, in the inputs.

    What the shape itself leaves out is counted. A message of which anything else cannot be read is one dead letter,
    whatever else of it is published. An optional field that cannot be read is left out and counted, and said once;
    what breaks the contract in one goes on: workers leave the field out, and count it.

    Args:
        inputs: by topic.
        rules: what is let in.
        letters: makes dead letters.
        clock: processing time.
        merges: says which sign-ins are written; None = no shape makes merges.
    """

    def __init__(
        self,
        inputs: Mapping[str, Input],
        rules: IngestSettings,
        letters: DeadLetters,
        clock: Clock,
        merges: Merges | None = None,
    ) -> None:
        self._clock = clock
        self._merges = merges
        self._lines = logs.Occasional(clock, _TOLD_EVERY_SECONDS)
        self._inputs = inputs
        self._rules = rules
        self._letters = letters
        self._encode: Callable[[object], bytes] = msgspec.json.Encoder().encode

    def records(self, message: RawMessage) -> list[Record]:
        """What is to be published for a message, in its order, dead letters last.

        Raises:
            Unavailable: the schema registry does not answer: try the message again. Nothing was counted.
            ConfigError: the schema registry refuses us.
        """
        source = self._inputs[message.topic]
        mapped = source.mapper.records(message)
        source.n_messages += 1
        found: list[Record] = []
        refused: list[Refused] = []
        n_unread = 0
        for one in mapped:
            try:
                if one.__class__ is Refused:
                    self._refuse(one, source, refused)
                elif one.__class__ is Unread:
                    n_unread += 1
                    self._leave_out(one, source)
                elif one.__class__ is SignIn:
                    found += self._merged(one, source, message)
                else:
                    found.append(self._record(one))
            except ContractError as error:
                refused.append(Refused(error.reason, "", error.detail))
        for topic, _, _ in found:
            source.records[topic] += 1
        if refused:
            source.dead_letters[refused[0].reason] += 1
            found += self._letter(message, refused, len(mapped) - n_unread)
        return found

    def _record(self, one: Mapped | Control) -> Record:
        """One record as it is published.

        Raises:
            ContractError: it breaks the contract, and not only in an optional field.
        """
        if isinstance(one, Removed):
            required("item_id", one.item_id, self._rules)
            return "items", one.item_id.encode(), None
        assert isinstance(one, PublishedRecord)
        try:
            value = self._encode(one)
        except UnicodeEncodeError as error:
            raise ContractError("not_utf8", str(error)) from None
        if self._merges is not None and isinstance(one, Interaction):
            self._merges.acted(one.user_id)
        if one.__class__ is Interaction and len(value) <= self._rules.max_id_bytes and _NUL not in value:
            return "events", one.user_id.encode(), value  # no id is too long, and mappers give no empty one
        with suppress(Unusable):
            check(one, self._rules)
        if len(value) > self._rules.max_record_bytes:
            limit = self._rules.max_record_bytes
            raise ContractError("record_too_large", f"{len(value)} bytes, {limit} are allowed")
        return topic_of(one), key_of(one), value

    def _merged(self, one: SignIn, source: Input, message: RawMessage) -> list[Record]:
        """The merge that a sign-in makes; none if it makes none, which is counted.

        Raises:
            ContractError: one of them cannot be an id.
        """
        required("user_id", one.visitor_id, self._rules)
        required("user_id", one.user_id, self._rules)
        assert self._merges is not None, "a shape makes merges, and nobody knows which are in force"
        now = self._clock.now()
        sent = message.timestamp / 1000 if message.timestamp >= 0 else now
        if reason := self._merges.why_not(one, sent):
            source.left_out[reason] += 1
            return []
        return [self._record(merge_of(one.visitor_id, one.user_id, now, by=f"bridge/{source.name}"))]

    def _refuse(self, one: Refused, source: Input, refused: list[Refused]) -> None:
        if one.is_meant:
            source.left_out[one.reason] += 1
            if one.reason == "other_type":
                self._note_type(one.theirs, source)
        else:
            refused.append(one)

    def _note_type(self, theirs: str, source: Input) -> None:
        count_name(source.other_types, theirs)
        if self._lines.note(source.topic):
            self._tell_types(source)

    def tell_held_back(self) -> None:
        """Log what may be told now; call from time to time."""
        for topic in self._lines.overdue():
            self._tell_types(self._inputs[str(topic)])
        if self._merges is not None:
            self._merges.tell_held_back()

    def _tell_types(self, source: Input) -> None:
        """What was left out since the start, by name; a warning where a name is like one that is listed."""
        shape = source.mapper.shape
        alike = {name: other for name in source.other_types if (other := closest(name, shape.types))}
        counts = ", ".join(f"{name} {n:,}" for name, n in source.other_types.most_common())
        given = {"topic": source.topic, "types": counts, "of_messages": source.n_messages}
        said = "event types that the shape does not list are left out"
        if alike:
            meant = ", ".join(f"{name} (the shape lists {other})" for name, other in alike.items())
            _log.warning(
                said, **given, alike=meant, fix=f"are these misspelt in shapes.{source.mapper.name}.types?"
            )
        else:
            _log.info(said, **given)

    def _leave_out(self, part: Unread, source: Input) -> None:
        if part.field not in source.parts_left_out:
            said = "a part of messages cannot be read, and records go without it"
            _log.warning(said, topic=source.topic, field=part.field, first=part.detail)
        source.parts_left_out[part.field] += 1

    def _letter(self, message: RawMessage, refused: list[Refused], n_parts: int) -> list[Outgoing]:
        """One for a message: its key is the message's place."""
        first = refused[0]
        detail = f"{first.field}: {first.detail}" if first.field else first.detail
        if n_parts > 1:
            detail = f"{len(refused)} of its {n_parts} parts; the first: {detail}"
        span = Span(message.topic, message.partition, 0, message.offset, message.offset + 1)
        value = message.value or b""
        rejected = Rejected(
            message.offset, message.timestamp, first.reason, detail, bytes(value), message.key
        )
        return self._letters.records(span, [rejected])
