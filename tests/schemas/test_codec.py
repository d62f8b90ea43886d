"""What comes out of raw messages, and what is refused with which reason."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.producers.simulate.bad_messages import KINDS, bad_messages
from stream_rec.schemas import codec
from stream_rec.schemas.codec import (
    dead_letter,
    decode_impressions,
    decode_interactions,
    decode_items,
    encode,
)
from stream_rec.schemas.records import Impression, Interaction, Item
from stream_rec.schemas.validation import REASONS
from stream_rec.settings import IngestSettings

NOW_MS = 1_700_000_000_000
RULES = IngestSettings()
EVENT = Interaction("u1", "i1", "view", NOW_MS / 1000, "e1", "s1", 4.5, {"device": "phone"})


@pytest.fixture(params=[1, 10_000], ids=["in bulk", "one by one"], autouse=True)
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large batches are checked in bulk, small ones record by record: with the same answers."""
    monkeypatch.setattr(codec, "_BULK_RECORDS", request.param)


def decode(*raw: bytes | None, stamp: int = NOW_MS, rules: IngestSettings = RULES) -> Any:
    batch = fetched("events", list(raw), first=10, stamp=stamp)
    return decode_interactions(batch, batch.span(), rules)


def fetched(
    topic: str,
    values: list[bytes | None],
    keys: list[bytes | None] | None = None,
    *,
    first: int = 0,
    stamp: int = NOW_MS,
) -> Fetched:
    """Messages at consecutive offsets of partition 0."""
    n = len(values)
    offsets = list(range(first, first + n))
    return Fetched(topic, 0, 1, first, first + n, keys or [None] * n, values, offsets, [stamp] * n)


def reasons(decoded: Any) -> list[str]:
    return [rejected.reason for rejected in decoded.rejected]


def test_an_event_comes_out_as_it_went_in() -> None:
    batch = decode(encode(EVENT)).batch

    assert (batch.users.to_list(), batch.items.to_list()) == (["u1"], ["i1"])
    assert (batch.sessions.to_list(), batch.event_ids.to_list()) == (["s1"], ["e1"])
    assert (batch.event_types, batch.ts.tolist(), batch.values.tolist()) == (["view"], [EVENT.ts], [4.5])
    assert (batch.offsets.tolist(), batch.broker_ts.tolist()) == ([10], [NOW_MS])


def test_what_is_not_given_is_empty_or_nan() -> None:
    batch = decode(encode(Interaction("u1", "i1", "view", 1.0))).batch

    assert (batch.sessions.to_list(), batch.event_ids.to_list()) == ([""], [""])
    assert np.isnan(batch.values[0])


def test_unknown_fields_are_ignored() -> None:
    raw = b'{"user_id":"u","item_id":"i","event_type":"view","ts":1,"colour":{"deep":[1,{"x":null}]}}'
    assert decode(raw).batch.users.to_list() == ["u"]


def test_no_messages_make_an_empty_batch() -> None:
    decoded = decode()
    assert (len(decoded.batch), decoded.rejected) == (0, [])


@pytest.mark.parametrize("at", range(len(KINDS)), ids=[kind for kind, _, _ in KINDS])
def test_a_bad_message_is_refused_alone(at: int) -> None:
    bad = bad_messages(len(KINDS), seed=1)[at]
    good = encode(EVENT)

    decoded = decode(good, bad.value, good)

    assert decoded.batch.offsets.tolist() == [10, 12]
    assert [(r.offset, r.reason, r.raw) for r in decoded.rejected] == [(11, bad.reason, bad.value or b"")]


def test_the_kinds_of_bad_messages_show_every_reason_that_an_event_can_have() -> None:
    others = {"message_too_large", "missing_key", "key_mismatch", "ts_too_late", "bad_body"}
    only_of_parts = {
        "value_out_of_range",
        "too_many_entries",
        "propensity_mismatch",
        "team_mismatch",
        "text_too_long",
        "bad_window",
    }
    of_vectors = {"bad_space", "reserved_space", "bad_vector", "dimension_mismatch", "too_many_spaces"}
    assert {reason for _, reason, _ in KINDS} == set(REASONS) - others - only_of_parts - of_vectors


def test_two_messages_cannot_make_up_for_each_other() -> None:
    one = encode(EVENT)
    assert reasons(decode(one + b"\n" + one, b"  ")) == ["not_json", "not_json"]
    assert reasons(decode(one + b',{"user_id":"u","x":[{}', b"{}]}")) == ["not_json", "not_json"]


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(0.0, []), (60.0, []), (60.5, ["ts_in_future"]), (-900.0, []), (-901.0, ["ts_too_late"])],
)
def test_ts_is_judged_against_the_brokers_timestamp(seconds: float, reason: list[str]) -> None:
    rules = IngestSettings(max_future_seconds=60.0, max_lateness_seconds=900.0)
    raw = encode(msgspec.structs.replace(EVENT, ts=NOW_MS / 1000 + seconds))

    assert reasons(decode(raw, rules=rules)) == reason


def test_without_a_lateness_limit_old_logs_can_be_replayed() -> None:
    assert reasons(decode(encode(msgspec.structs.replace(EVENT, ts=1.0)))) == []


def test_without_a_broker_timestamp_ts_is_not_judged_against_it() -> None:
    rules = IngestSettings(max_lateness_seconds=1.0)
    raw = encode(msgspec.structs.replace(EVENT, ts=1.0))

    assert reasons(decode(raw, stamp=-1, rules=rules)) == []
    assert reasons(decode(raw, b"x", stamp=-1, rules=rules)) == ["not_json"]


def test_an_id_is_measured_in_bytes_of_utf8() -> None:
    rules = IngestSettings(max_id_bytes=8)
    fits, too_long = (encode(msgspec.structs.replace(EVENT, item_id=i)) for i in ("éééé", "ééééé"))

    assert reasons(decode(fits, too_long, rules=rules)) == ["id_too_long"]


def test_a_dead_letter_keeps_the_first_bytes_and_says_that_it_is_cut() -> None:
    raw = b"x" * 5_000_000
    decoded = decode(raw)

    letter = dead_letter(decoded.batch.span, decoded.rejected[0], limit=100)

    assert (letter.topic, letter.partition, letter.offset, letter.broker_ts) == ("events", 0, 10, NOW_MS)
    assert (letter.reason, letter.raw, letter.raw_bytes) == ("record_too_large", b"x" * 100, 5_000_000)
    assert letter.truncated
    assert len(encode(letter)) < 1000


def items(*messages: tuple[bytes | None, bytes | None]) -> Any:
    batch = fetched("items", [value for _, value in messages], [key for key, _ in messages])
    return decode_items(batch, batch.span(), RULES)


def test_items_keep_the_order_of_their_changes() -> None:
    decoded = items(
        (b"i1", encode(Item("i1", "One"))),
        (b"i2", encode(Item("i2", "Two", ("a", "b")))),
        (b"i1", None),
        (b"i3", b""),
        (b"i3", encode(Item("i3"))),
    )

    changes = decoded.batch.changes
    assert [(c.offset, c.item_id, c.item is None) for c in changes] == [
        (0, "i1", False),
        (1, "i2", False),
        (2, "i1", True),
        (3, "i3", True),
        (4, "i3", False),
    ]
    assert [item.item_id for item in decoded.batch.upserts] == ["i2", "i3"]
    assert decoded.batch.removed == ["i1"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, encode(Item("i1")), "missing_key"),
        (b"", None, "missing_key"),
        (b"\xff", None, "not_utf8"),
        (b"a\0b", None, "bad_id"),
        (b"k" * 257, None, "id_too_long"),
        (b"i2", encode(Item("i1")), "key_mismatch"),
        (b"i1", b"{", "not_json"),
        (b"i1", b'{"item_id":["i1"]}', "wrong_type"),
        (b"i1", b'{"item_id":"i1","available":"perhaps"}', "wrong_type"),
        (b"i1", encode(Item("i1", title="x" * 70_000)), "record_too_large"),
    ],
)
def test_a_bad_item_is_refused_alone(key: bytes | None, value: bytes | None, reason: str) -> None:
    good = (b"i9", encode(Item("i9")))

    decoded = items(good, (key, value), good)

    assert [change.offset for change in decoded.batch.changes] == [0, 2]
    assert [(r.offset, r.reason) for r in decoded.rejected] == [(1, reason)]


def impressions(*raw: bytes) -> Any:
    batch = fetched("impressions", list(raw))
    return decode_impressions(batch, batch.span(), RULES)


def test_impressions_become_ragged_columns() -> None:
    one = Impression("s1", "u1", 5.0, ("a", "b"), "home", (0.5, 1.0), "A")
    two = Impression("s2", "u2", 6.0, ())
    three = Impression("s3", "u1", 7.0, ("c",))

    batch = impressions(encode(one), encode(two), encode(three)).batch

    assert batch.items.to_list() == ["a", "b", "c"]
    assert batch.item_ends.tolist() == [2, 2, 3]
    assert batch.propensities.tolist()[:2] == [0.5, 1.0]
    assert np.isnan(batch.propensities[2])
    assert (batch.users.to_list(), batch.slate_ids.to_list()) == (["u1", "u2", "u1"], ["s1", "s2", "s3"])
    assert (batch.scenarios, batch.variants) == (["home", "default", "default"], ["A", "", ""])
    assert (batch.ts.tolist(), batch.offsets.tolist()) == ([5.0, 6.0, 7.0], [0, 1, 2])


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (Impression("", "u", 1.0, ("a",)), "empty_id"),
        (Impression("s", "u\0", 1.0, ("a",)), "bad_id"),
        (Impression("s", "u", -1.0, ("a",)), "ts_out_of_range"),
    ],
)
def test_a_bad_impression_is_refused_alone(shown: Impression, reason: str) -> None:
    good = encode(Impression("s", "u", 1.0, ("a",)))

    decoded = impressions(good, encode(shown), good)

    assert decoded.batch.offsets.tolist() == [0, 2]
    assert [(r.offset, r.reason) for r in decoded.rejected] == [(1, reason)]
