"""What mapping alone costs: bytes in, interactions out, in this process and on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from stream_rec.bench import foreign
from stream_rec.bench.foreign import Form, OneSchema
from stream_rec.bench.harness import Say, in_turns, medians
from stream_rec.schemas.codec import decode_interactions
from stream_rec.schemas.columns import Span
from stream_rec.schemas.records import Interaction
from stream_rec.settings import IngestSettings, ShapeSettings
from stream_rec.shapes.mapper import compile_shape
from stream_rec.shapes.messages import RawMessage

MESSAGES = 1_000
"""That are at hand: what was just fetched is in the processor's cache."""
ROUNDS = 10
_BATCH = 500
_WIDE_FIELDS = 40
Arm = Callable[[], Mapping[str, float]]


def run(say: Say, *, turns: int, batch: int = _BATCH) -> dict[str, float]:
    """CPU microseconds a message, medians of turns.

    Args:
        say: takes progress.
        turns: of each form, one after the other.
        batch: messages that the worker decodes at once.

    Returns:
        native_us, segment_us, debezium_us, avro_narrow_us, avro_wide_us, protobuf_us: of a mapper; native_decode_us: of
        a worker that decodes the native messages to columns.
    """
    forms = {
        "native_us": Form("native", foreign.native),
        "segment_us": Form("segment", foreign.segment),
        "debezium_us": Form("debezium", foreign.debezium),
        "avro_narrow_us": foreign.avro(5),
        "avro_wide_us": foreign.avro(_WIDE_FIELDS),
        "protobuf_us": foreign.protobuf(),
    }
    arms = {name: _mapping(form) for name, form in forms.items()}
    arms["native_decode_us"] = _decoding(batch)
    runs = in_turns(arms, turns, say)
    return {name: medians(of_arm)["cpu_us"] for name, of_arm in runs.items()}


def _mapping(form: Form) -> Arm:
    registry = OneSchema(form.schema) if form.schema else None
    read = compile_shape(ShapeSettings(preset=form.preset), "bench", registry).records
    messages = [
        RawMessage(form.make(n), b"key", timestamp=1_700_000_001_000, topic="clicks", partition=0, offset=n)
        for n in range(MESSAGES)
    ]
    if any(not isinstance(each, Interaction) for message in messages[:100] for each in read(message)):
        raise AssertionError(f"a message of {form.preset} is not read")

    def arm() -> Mapping[str, float]:
        began = time.process_time()
        for _ in range(ROUNDS):
            for message in messages:
                read(message)
        return {"cpu_us": (time.process_time() - began) / (ROUNDS * MESSAGES) * 1e6}

    return arm


class _Batch:
    """Messages as a client of the bus gives them."""

    def __init__(self, first: int, n: int) -> None:
        self.keys: list[bytes | None] = [b"key"] * n
        self.values: list[bytes | None] = [foreign.native(first + at) for at in range(n)]
        self.offsets = list(range(first, first + n))
        self.timestamps = [1_700_000_000_000 + offset * 10 for offset in self.offsets]


def _decoding(size: int) -> Arm:
    rules = IngestSettings()
    batches = [_Batch(first, size) for first in range(0, MESSAGES, size)]
    n = ROUNDS * sum(len(batch.values) for batch in batches)

    def arm() -> Mapping[str, float]:
        began = time.process_time()
        good = 0
        for batch in batches * ROUNDS:
            span = Span("events", 0, 0, batch.offsets[0], batch.offsets[-1] + 1)
            good += len(decode_interactions(batch, span, rules).batch)
        seconds = time.process_time() - began
        assert good == n
        return {"cpu_us": seconds / n * 1e6}

    return arm
