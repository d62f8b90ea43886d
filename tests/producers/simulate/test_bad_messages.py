"""Bad messages on demand: of every kind, seeded, and not too many large ones."""

from __future__ import annotations

from stream_rec.producers.simulate.bad_messages import KINDS, LARGE_BYTES, MAX_LARGE, bad_messages


def test_every_kind_comes_in_turn() -> None:
    assert [message.kind for message in bad_messages(len(KINDS), seed=1)] == [kind for kind, _, _ in KINDS]


def test_the_same_seed_gives_the_same_messages() -> None:
    assert bad_messages(100, seed=1) == bad_messages(100, seed=1)
    assert bad_messages(100, seed=1) != bad_messages(100, seed=2)


def test_large_ones_are_few() -> None:
    messages = bad_messages(10_000, seed=1)
    assert len(messages) == 10_000
    assert sum(len(message.value or b"") > LARGE_BYTES for message in messages) == MAX_LARGE
