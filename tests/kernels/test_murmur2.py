"""A key's partition is the one that Java's client, and so everybody else, would choose."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from tests.oracles.murmur2 import murmur2, partition


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_oracle_gives_the_values_of_kafkas_own_unit_test(key: str, expected: int) -> None:
    assert murmur2(key.encode()) == expected


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=50),
    st.integers(1, 4096),
)
def test_every_key_goes_where_the_oracle_says(keys: list[str], n: int) -> None:
    assert partition_of(IdColumn.of(keys), n).tolist() == [partition(key.encode(), n) for key in keys]
