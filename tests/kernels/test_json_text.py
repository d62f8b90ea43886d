"""JSON that kernels write, against a library's."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_rec.kernels.json_text import ESCAPED_BYTES, NUMBER_BYTES, TOO_LARGE, put, put_number, put_text
from stream_rec.schemas.columns import IdColumn


@settings(deadline=None)
@example("".join(chr(code) for code in range(0x80)))
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_is_escaped_as_the_library_does(text: str) -> None:
    data = np.frombuffer(b"before" + text.encode() + b"behind", np.uint8)
    out = np.zeros(ESCAPED_BYTES * len(data) + 2, np.uint8)
    end = put_text(out, 0, data, 6, len(data) - 6)
    assert out[:end].tobytes() == msgspec.json.encode(text)
    assert not out[end:].any()


@settings(deadline=None)
@example(-TOO_LARGE * (1 - 1e-12), 6)
@example(0.0, 1)
@example(9.99996, 4)
@given(value=st.floats(-1e9, 1e9), decimals=st.integers(1, 6))
def test_a_number_is_the_rounded_one(value: float, decimals: int) -> None:
    out = np.zeros(NUMBER_BYTES + 1, np.uint8)
    end = put_number(out, 0, value, decimals)
    said = out[:end].tobytes().decode()
    assert out[end:].size >= 1
    assert float(said) == pytest.approx(float(np.round(value, decimals)), abs=0.0, rel=1e-15)
    whole, _, rest = said.partition(".")
    assert 1 <= len(rest) <= decimals
    assert rest == "0" or not rest.endswith("0")
    assert whole == str(int(whole)) or whole == "-0"


def test_words_are_put_as_they_are() -> None:
    words = IdColumn.of(["", "a", '{"b":'])
    out = np.zeros(10, np.uint8)
    at = 0
    for number in range(3):
        at = put(out, at, words, number)
    assert out[:at].tobytes() == b'a{"b":'
