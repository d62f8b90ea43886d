"""Slates as JSON."""

from __future__ import annotations

import math
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.schemas.records import AsOf, Reason, Slate, SlateItem
from stream_rec.store.encoding import ItemList, ListItem, encode_items, encode_list, encode_slates
from tests.store.building import as_of, slates

HEAD = re.compile(rb'^{"as_of":{"log":"([^"]*)","partition":(-?\d+),"offset":(-?\d+),"broker_ts":(-?\d+),')

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
places = st.lists(
    st.builds(
        SlateItem,
        item_id=ids,
        score=finite,
        reason=st.builds(Reason, source=ids, item_id=st.one_of(st.none(), ids)),
        by=st.one_of(st.none(), ids),
        propensity=st.one_of(st.none(), st.floats(0.0, 1.0)),
    ),
    max_size=6,
)
positions = st.builds(
    AsOf,
    log=st.from_regex(r"[A-Za-z0-9+/=_.-]{1,64}", fullmatch=True),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(-1, 2**53),
    broker_ts=st.integers(-1, 2**53),
    event_ts=finite,
)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(ids, places), max_size=4), at=positions, scenario=ids, model=ids)
def test_what_is_encoded_is_the_record_and_nothing_else(
    rows: list[tuple[str, list[SlateItem]]], at: AsOf, scenario: str, model: str
) -> None:
    encoded = encode_slates(
        [user for user, _ in rows],
        [encode_items(row) for _, row in rows],
        as_of=at,
        scenario=scenario,
        model=model,
        created_ts=1.5,
    )
    assert len(encoded) == len(rows)
    for (user, row), one in zip(rows, encoded, strict=True):
        read = msgspec.json.decode(one.json, type=Slate)
        assert read == Slate(at, user, scenario, read.slate_id, model, 1.5, tuple(row))
        assert one.json == msgspec.json.encode(read)
        assert (one.user_id, one.scenario, one.as_of) == (user, scenario, at)


def test_a_rule_that_gave_way_is_said_behind_the_items_and_nothing_is_said_else() -> None:
    encoded = encode_slates(
        ["had all", "not"],
        [encode_items([SlateItem(item, 1.0, Reason("popularity"))]) for item in ("a", "b")],
        as_of=AsOf("log", 0, 1, 2, 3.0),
        scenario="s",
        model="m",
        created_ts=1.5,
        relaxed=[True, False],
    )
    assert encoded[0].json.endswith(b'],"relaxed":"repeats"}')
    assert b"relaxed" not in encoded[1].json
    assert msgspec.json.decode(encoded[0].json, type=Slate).relaxed == "repeats"


@settings(deadline=None)
@given(at=positions)
def test_the_comparable_part_stands_in_the_first_256_bytes(at: AsOf) -> None:
    for json in (
        slates(["u"], at)[0].json,
        encode_list(["a"], [1.0], as_of=at, model="m", created_ts=0.0),
    ):
        found = HEAD.match(json[:256])
        assert found is not None
        assert found.groups() == tuple(
            str(v).encode() for v in (at.log, at.partition, at.offset, at.broker_ts)
        )


def test_every_slate_has_an_id_of_its_own() -> None:
    batches = [slates(["u", "v"], as_of(1)), slates(["v", "u"], as_of(1)), slates(["u", "v"], as_of(2))]
    made = [msgspec.json.decode(one.json, type=Slate).slate_id for batch in batches for one in batch]
    assert len(set(made)) == 6


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        encode_list(["a"], [score], as_of=as_of(0), model="m", created_ts=0.0)


def test_an_id_that_looks_like_a_bad_score_is_fine() -> None:
    json = encode_list(['x","score":null'], [1.0], as_of=as_of(0), model="m", created_ts=0.0)
    assert msgspec.json.decode(json, type=ItemList).items[0].item_id == 'x","score":null'


@pytest.mark.parametrize("log", ["", 'quo"te', "back\\slash", "x" * 65, "with space", "ümlaut"])
def test_a_log_that_would_break_the_head_is_refused(log: str) -> None:
    with pytest.raises(ValueError, match=r"as_of\.log"):
        slates(["u"], as_of(0, log=log))


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        encode_list(["a", "b"], [1.0], as_of=as_of(0), model="m", created_ts=0.0)


def test_a_list_reads_back_as_it_was() -> None:
    json = encode_list(["a", "b"], [2.0, 1.0], as_of=as_of(7), model="m", created_ts=3.0)
    assert msgspec.json.decode(json, type=ItemList) == ItemList(
        as_of(7), "m", 3.0, (ListItem("a", 2.0), ListItem("b", 1.0))
    )
