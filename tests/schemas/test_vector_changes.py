"""Messages of `vectors`: read, removed by an empty value, refused with a reason and a hint."""

from __future__ import annotations

import json

import pytest

from stream_rec.errors import ContractError
from stream_rec.schemas.columns import Decoded, VectorBatch
from stream_rec.schemas.hints import hint
from stream_rec.schemas.records import Vector
from stream_rec.schemas.topics import check, decode, key_of
from stream_rec.settings import IngestSettings
from tests.consumers.parts import fetched

RULES = IngestSettings(max_vector_numbers=4)


def read(key: bytes | None, value: bytes | None) -> Decoded[VectorBatch]:
    batch = fetched("vectors", [b""])
    batch.keys[:], batch.values[:] = [key], [value]
    return decode("vectors", batch, batch.span(), RULES)


def test_a_vector_is_read_and_its_key_may_give_what_it_leaves_out() -> None:
    for value in (
        b'{"space":"text","item_id":"a/b","values":[1,2.5]}',
        b'{"values":["1",2.5]}',
    ):
        decoded = read(b"text/a/b", value)
        assert decoded.rejected == []
        (change,) = decoded.batch.changes
        assert (change.space, change.item_id) == ("text", "a/b")
        assert change.values is not None
        assert change.values.tolist() == [1.0, 2.5]


def test_an_empty_value_or_null_removes() -> None:
    for value in (None, b"", b"null"):
        (change,) = read(b"text/a", value).batch.changes
        assert (change.space, change.item_id, change.values) == ("text", "a", None)


@pytest.mark.parametrize(
    ("key", "value", "reason", "hinted"),
    [
        (None, b'{"values":[1]}', "missing_key", "<space>/<item_id>"),
        (b"a", b'{"values":[1]}', "key_mismatch", "a slash"),
        (b"text/b", b'{"space":"text","item_id":"a","values":[1]}', "key_mismatch", "a slash"),
        (b"te xt/a", b'{"values":[1]}', "bad_space", "name a space"),
        (b"te xt/a", b"", "bad_space", "name a space"),
        (b"text/", b'{"values":[1]}', "empty_id", ""),
        (b"content/a", b'{"values":[1]}', "reserved_space", "another name"),
        (b"text/a", b'{"values":[]}', "bad_vector", ""),
        (b"text/a", b'{"values":[0,0]}', "bad_vector", ""),
        (b"text/a", b'{"values":[1,2,3,4,5]}', "bad_vector", ""),
        (b"text/a", b'{"values":[1e39]}', "bad_vector", ""),
        (b"text/a", b'{"values":[NaN,1]}', "wrong_type", "a list of numbers"),
        (b"text/a", b'{"values":[null,1]}', "wrong_type", "a list of numbers"),
        (b"text/a", b'{"embedding":[1]}', "missing_field", "`embedding` must be `values`"),
        (b"text/a", b"\x80\x04", "not_utf8", "pickle"),
    ],
)
def test_what_is_no_vector_is_rejected_with_a_hint(
    key: bytes | None, value: bytes, reason: str, hinted: str
) -> None:
    decoded = read(key, value)
    assert len(decoded.batch) == 0
    (rejected,) = decoded.rejected
    assert rejected.reason == reason
    assert hinted in hint("vectors", reason, rejected.detail, rejected.raw, rejected.key)


def test_a_publisher_is_told_before_it_sends() -> None:
    good = Vector("text", "a/b", (1.0, 2.0))
    check(good, RULES)
    assert key_of(good) == b"text/a/b"
    for values in ((), (0.0,), (1.0,) * 5, (float("nan"),), (float("inf"),), (1e300,)):
        with pytest.raises(ContractError, match="bad_vector"):
            check(Vector("text", "a", values), RULES)


def test_numbers_in_a_message_are_as_json_has_them() -> None:
    values = [0.1, -2e-7, 3.4e38]
    (change,) = read(b"text/a", json.dumps({"values": values}).encode()).batch.changes
    assert change.values is not None
    assert change.values.tolist() == pytest.approx(values, rel=1e-6)
