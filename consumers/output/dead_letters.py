"""Dead letters: what could not be read, with the reason, the raw bytes, and where it came from. They are told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.output.emitter import Outgoing
from stream_rec.schemas.codec import dead_letter, encode
from stream_rec.schemas.columns import Decoded, Rejected, Span
from stream_rec.schemas.hints import hint, sample
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import key_of
from stream_rec.schemas.validation import REASONS
from stream_rec.settings import IngestSettings
from stream_rec.shapes.messages import NO_RECORD

if TYPE_CHECKING:  # a bridge needs no kernels
    from stream_rec.feedback.measures import Measures

_MEANINGS = {**REASONS, **NO_RECORD}
_Kind = tuple[TopicName, str]
"""Topic and reason."""


class DeadLetters:
    """Makes them, and logs the first of each topic and reason, then at most one line a minute with their number.

    Args:
        rules: how much of a message is kept.
        clock: processing time.
        shapes: of topics that the bridge reads, for hints.
    """

    def __init__(self, rules: IngestSettings, clock: Clock, shapes: Mapping[str, str] | None = None) -> None:
        self._shapes = shapes or {}
        self._limit = rules.dead_letter_raw_bytes
        self._lines = logs.Occasional(clock)
        self._examples: dict[_Kind, tuple[Span, Rejected]] = {}
        self._log = logs.get("ingest")

    def records(self, span: Span, rejected: Sequence[Rejected]) -> list[Outgoing]:
        """The records for `dead-letters`, in log order."""
        self._note(span, rejected)
        letters = (dead_letter(span, one, self._limit) for one in rejected)
        return [Outgoing("dead-letters", key_of(letter), encode(letter)) for letter in letters]

    async def tell_overdue(self) -> None:
        """As `tell_held_back`."""
        self.tell_held_back()

    def tell_held_back(self) -> None:
        """Log what may be told now; call from time to time."""
        for kind, n in self._lines.overdue().items():
            if isinstance(kind, tuple):
                self._tell(kind, n)

    def _note(self, span: Span, rejected: Sequence[Rejected]) -> None:
        for reason, n in Counter(one.reason for one in rejected).items():
            kind = (span.topic, reason)
            self._examples[kind] = (span, next(one for one in rejected if one.reason == reason))
            if told := self._lines.note(kind, n):
                self._tell(kind, told)

    def _tell(self, kind: _Kind, n: int) -> None:
        topic, reason = kind
        span, one = self._examples[kind]
        self._log.warning(
            "messages cannot be read and go to dead-letters; `stream-rec dead-letters` shows them",
            topic=topic,
            reason=reason,
            messages=n,
            # Other details repeat what stands in the message.
            why=one.detail if reason == "missing_field" else _MEANINGS.get(reason, reason),
            example=f"{topic}/{span.partition}/{one.offset}",
            sample=sample(one.raw),
            hint=hint(topic, reason, one.detail, one.raw, one.key, self._shapes.get(topic, "NAME")),
        )


def count_unusable(measures: Measures, span: Span, decoded: Decoded[Any]) -> None:
    """Count dead letters by reason, and the parts that were left out of other records."""
    rejected = decoded.rejected
    measures.on_dead_letters(span, [one.reason for one in rejected], [one.broker_ts for one in rejected])
    measures.on_left_out(span, decoded.left_out)
