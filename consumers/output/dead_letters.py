"""Dead letters: what could not be read, with the reason, the raw bytes, and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stream_rec.consumers.output.emitter import Outgoing
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.codec import dead_letter, encode
from stream_rec.schemas.columns import Decoded, Rejected, Span
from stream_rec.schemas.topics import key_of
from stream_rec.settings import IngestSettings


def dead_letters(span: Span, rejected: Sequence[Rejected], rules: IngestSettings) -> list[Outgoing]:
    """The records for `dead-letters`, in log order."""
    letters = (dead_letter(span, one, rules.dead_letter_raw_bytes) for one in rejected)
    return [Outgoing("dead-letters", key_of(letter), encode(letter)) for letter in letters]


def count_unusable(measures: Measures, span: Span, decoded: Decoded[Any]) -> None:
    """Count dead letters by reason, and the parts that were left out of other records."""
    rejected = decoded.rejected
    measures.on_dead_letters(span, [one.reason for one in rejected], [one.broker_ts for one in rejected])
    measures.on_left_out(span, decoded.left_out)
