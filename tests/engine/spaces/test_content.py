"""The space `content`: hashed words, field by field, held to the formula."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.spaces.content import WEIGHTS, content_vector
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Item
from stream_rec.sources.vectors import N_WORDS, SpaceState
from tests.engine.worlds import engine

WIDTH = 32


def fresh() -> SpaceState:
    return engine().state.spaces


def signs(word: str) -> NDArray[np.float64]:
    """-1 and 1 by the top bits of splitmix64 (Steele et al., OOPSLA 2014), in whole numbers of Python."""
    (start,) = hash_ids(IdColumn.of([word])).tolist()
    found = []
    for j in range(1, WIDTH + 1):
        bits = (start + j * 0x9E3779B97F4A7C15) % 2**64
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % 2**64
        found.append(1.0 if bits >> 63 else -1.0)
    return np.array(found)


def test_fields_are_brought_to_their_weights_and_rare_words_count_more() -> None:
    own = fresh()
    for n in range(4):
        content_vector(own, Item(f"i{n}", tags=("shoes",)), WIDTH)
    item = Item("new", title="Red shoes, red", tags=("shoes", "Boots", "shoes"), attributes={"dry": True})
    found = content_vector(own, item, WIDTH)

    def weight(n_with: int) -> float:
        return float(np.log1p((4 + 10.0) / (n_with + 1.0)))

    fields = {
        "tags": weight(4) * signs("tag:shoes") + weight(0) * signs("tag:boots"),
        "title": weight(0) * (signs("red") + signs("shoes")),
        "attributes": weight(0) * signs("dry=true"),
    }
    total = sum(WEIGHTS[name] * part / np.linalg.norm(part) for name, part in fields.items())
    assert found is not None
    assert np.allclose(found, total / np.linalg.norm(total), atol=1e-6)
    assert abs(float(np.linalg.norm(found)) - 1.0) < 1e-6


def test_every_word_of_a_record_is_counted_once() -> None:
    own = fresh()
    content_vector(own, Item("a", title="red red", description="red shoes", tags=("red",)), WIDTH)
    words = hash_ids(IdColumn.of(["red", "shoes", "tag:red"])) % np.uint64(N_WORDS)
    assert own.frequencies[words].tolist() == [1, 1, 1]
    assert (own.frequencies.sum(), own.n_texts[0]) == (3, 1)


def test_an_item_of_which_nothing_is_said_has_no_vector_and_counts_for_nothing() -> None:
    own = fresh()
    assert content_vector(own, Item("a", price=3.0), WIDTH) is None
    assert own.n_texts[0] == 0
