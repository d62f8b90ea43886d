"""Impressions: remembered, and joined with what users do next."""

from __future__ import annotations

import asyncio

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.impressions import ImpressionsHandler
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.schemas.records import Impression
from tests.consumers.parts import STAMP_MS, TINY, Outbox, fetched, make_context, make_measures

SHOWN = Impression("s1", "ann", STAMP_MS / 1000, ("a", "b"))


def served(batch: Fetched) -> tuple[Engine, Outbox, Measures]:
    """An engine, what was sent, and what was measured, after a batch."""

    async def scenario() -> tuple[Engine, Outbox, Measures]:
        engine, outbox = Engine(TINY), Outbox()
        measures = make_measures(engine)
        handler = ImpressionsHandler(make_context(measures, outbox))
        learned = handler.learn(engine, handler.decode(batch))
        written = await handler.write(learned, asyncio.Event())
        await written.receipt.delivered()
        handler.measure(written)
        return engine, outbox, measures

    return asyncio.run(scenario())


def test_what_was_shown_is_learned_and_nothing_is_published() -> None:
    engine, outbox, _ = served(fetched("impressions", [SHOWN]))
    assert engine.position["impressions", 0] == 1
    assert outbox.sent == []


def test_what_is_no_impression_becomes_a_dead_letter_and_is_counted() -> None:
    engine, outbox, measures = served(fetched("impressions", [SHOWN, b"no json"]))
    assert engine.position["impressions", 0] == 2
    assert outbox.topics() == ["dead-letters"]
    assert sum(n for name, n in measures.live().items() if name.startswith("dead_letters")) == 1


def test_what_others_measure_is_learned_the_same_way() -> None:
    one, _, _ = served(fetched("impressions", [SHOWN]))
    other = Engine(TINY)
    handler = ImpressionsHandler(make_context(make_measures(other), Outbox()))
    handler.relearn(other, fetched("impressions", [SHOWN]))
    assert other.digest() == one.digest()
