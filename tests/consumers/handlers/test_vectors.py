"""Vectors: learned by everybody; what does not fit into its space becomes a dead letter."""

from __future__ import annotations

import asyncio

import msgspec

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.vectors import VectorsHandler
from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import DeadLetter, Vector
from tests.consumers.parts import TINY, Outbox, fetched, make_context, make_measures

GOOD = [Vector("text", f"i{n}", (1.0, float(n))) for n in range(3)]
WRONG = Vector("text", "long", (1.0, 2.0, 3.0))


def batch(records: list[Vector | bytes]) -> Fetched:
    found = fetched("vectors", records)
    found.keys[:] = [
        f"{r.space}/{r.item_id}".encode() if isinstance(r, Vector) else b"text/x" for r in records
    ]
    return found


def served(records: Fetched) -> tuple[Engine, Outbox]:
    async def scenario() -> tuple[Engine, Outbox]:
        engine, outbox = Engine(TINY), Outbox()
        handler = VectorsHandler(make_context(make_measures(engine), outbox))
        learned = handler.learn(engine, handler.decode(records))
        written = await handler.write(learned, asyncio.Event())
        await written.receipt.delivered()
        handler.measure(written)
        return engine, outbox

    return asyncio.run(scenario())


def test_vectors_are_learned_and_nothing_is_published() -> None:
    engine, outbox = served(batch([*GOOD]))
    assert [(info.name, info.n_items) for info in engine.spaces.in_use()] == [("text", 3)]
    assert engine.position["vectors", 0] == 3
    assert outbox.sent == []


def test_what_does_not_fit_into_its_space_is_a_dead_letter_whole_and_with_its_key() -> None:
    engine, outbox = served(batch([GOOD[0], WRONG, b"no json", GOOD[1]]))
    assert engine.spaces.in_use()[0].n_items == 2
    letters = [msgspec.json.decode(sent.value, type=DeadLetter) for sent in outbox.sent]
    assert {(letter.reason, letter.offset) for letter in letters} == {
        ("dimension_mismatch", 1),
        ("not_json", 2),
    }
    (letter,) = (letter for letter in letters if letter.offset == 1)
    assert letter.key == b"text/long"
    assert msgspec.json.decode(letter.raw, type=Vector) == WRONG


def test_what_others_serve_is_learned_the_same_way() -> None:
    one, _ = served(batch([*GOOD, WRONG]))
    other = Engine(TINY)
    VectorsHandler(make_context(make_measures(other), Outbox())).relearn(other, batch([*GOOD, WRONG]))
    assert other.digest() == one.digest()
