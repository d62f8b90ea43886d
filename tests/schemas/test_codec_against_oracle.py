"""Decoding in bulk gives, for any mixture of messages, what reading them one at a time gives."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_rec.bus.batch import Fetched
from stream_rec.schemas import codec
from stream_rec.schemas.codec import decode_interactions
from stream_rec.schemas.columns import Span
from stream_rec.settings import IngestSettings
from tests.oracles.codec import Refused, read

NOW_MS = 1_700_000_000_000
RULES = IngestSettings(
    max_record_bytes=512,
    max_id_bytes=12,
    max_future_seconds=60.0,
    max_lateness_seconds=1000.0,
    max_context_entries=3,
)

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=14)
near = st.floats(-1000.0, 60.0).map(lambda s: NOW_MS / 1000 + s)
times = st.one_of(near, near, st.floats(allow_nan=False, allow_infinity=False), st.integers(-5, 10**22))
scalars = st.one_of(
    text, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)
anything = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner))
)

names = st.text("abcé7", min_size=1, max_size=6)
good = st.fixed_dictionaries(
    {"user_id": names, "item_id": names, "event_type": st.sampled_from(["view", "click", "été"]), "ts": near},
    optional={
        "session_id": st.one_of(st.none(), st.text("abc", max_size=5)),
        "event_id": st.one_of(st.none(), names),
        "value": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "context": st.dictionaries(names, st.one_of(text, st.booleans(), st.floats(0, 1)), max_size=3),
    },
)
wild = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(text, times, anything) for name in ("user_id", "item_id", "event_type", "session_id")
    }
    | {"ts": st.one_of(times, anything), "value": anything, "context": anything, "unknown": anything},
)
objects = st.one_of(good, good, good, good, good, wild).map(lambda event: json.dumps(event).encode())
broken = st.one_of(
    st.none(),
    st.binary(max_size=30),
    st.tuples(objects, st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]]),
    st.tuples(objects, objects).map(b",".join),
    st.tuples(objects, st.binary(min_size=1, max_size=2)).map(b"".join),
    anything.map(lambda value: json.dumps(value).encode()),
    objects.map(lambda raw: raw.replace(b'"a"', b"1e999")),
    objects.map(lambda raw: raw.replace(b"a", b"\\u0000")),
    objects.map(lambda raw: raw.replace(b"a", b"\xff")),
    objects.map(lambda raw: b" " * 600 + raw),
)
messages = st.lists(
    st.tuples(st.one_of(objects, objects, objects, broken), st.sampled_from([NOW_MS, NOW_MS + 9, -1]))
)


def expected(raw: bytes | None, stamp: int) -> tuple[dict[str, Any], set[str]] | str:
    try:
        return read(raw, stamp, RULES)
    except Refused as refused:
        return str(refused)


@settings(deadline=None)
@example(
    [(b'{"user_id": "a", "item_id": "a", "event_type": "a", "ts": 1, "value": " ", "context": ""}', -1)], 1
)
@given(messages, st.sampled_from([1, 10_000]))
def test_what_lives_and_what_is_rejected(batch: Sequence[tuple[bytes | None, int]], bulk: int) -> None:
    raw = [value for value, _ in batch]
    stamps = [stamp for _, stamp in batch]
    offsets = list(range(100, 100 + 2 * len(batch), 2))
    span = Span("events", 3, 7, 99, 100 + 2 * len(batch))
    log = Fetched("events", 3, 7, span.start, span.next, [None] * len(raw), raw, offsets, stamps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "_BULK_RECORDS", bulk)
        decoded = decode_interactions(log, span, RULES)

    want = [expected(value, stamp) for value, stamp in batch]
    kept = [i for i, w in enumerate(want) if isinstance(w, tuple)]
    rows = [w[0] for w in want if isinstance(w, tuple)]
    lost = {(offsets[i], field) for i, w in enumerate(want) if isinstance(w, tuple) for field in w[1]}
    columns = decoded.batch
    assert columns.span == span
    assert columns.offsets.tolist() == [offsets[i] for i in kept]
    assert columns.broker_ts.tolist() == [stamps[i] for i in kept]
    assert columns.users.to_list() == [row["user_id"] for row in rows]
    assert columns.items.to_list() == [row["item_id"] for row in rows]
    assert columns.sessions.to_list() == [row["session_id"] for row in rows]
    assert columns.event_ids.to_list() == [row["event_id"] for row in rows]
    assert list(columns.event_types) == [row["event_type"] for row in rows]
    assert columns.ts.tolist() == [row["ts"] for row in rows]
    for value, row in zip(columns.values.tolist(), rows, strict=True):
        assert math.isnan(value) if row["value"] is None else math.isclose(value, row["value"], rel_tol=1e-6)
    refused = [i for i, w in enumerate(want) if isinstance(w, str)]
    assert [r.offset for r in decoded.rejected] == [offsets[i] for i in refused]
    assert [r.raw for r in decoded.rejected] == [raw[i] or b"" for i in refused]
    assert {(left.offset, left.field) for left in decoded.left_out} == lost
