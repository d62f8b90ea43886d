"""Decisions: obeyed by who serves them and by who follows, and no slate is made of a past that is forgotten."""

from __future__ import annotations

import asyncio

from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.control import ControlHandler, ForgottenUsers
from stream_rec.engine.engine import Engine
from stream_rec.kernels.ids import hash_id, hash_ids
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from stream_rec.schemas.decisions import hash_name
from stream_rec.schemas.records import Control
from tests.consumers.parts import STAMP_MS, TINY, Outbox, fetched, make_context, make_measures

HOME = Control("scenario", "home", 1.0, {"k": 3})
ERASED = Control("erasure", hash_name(hash_id("ann")), 1.0, {})


class Scene:
    """A handler with what it fills."""

    def __init__(self) -> None:
        self.engine, self.outbox = Engine(TINY), Outbox()
        self.measures = make_measures(self.engine)
        self.as_of, self.forgotten = AsOfTable("log", {}), ForgottenUsers(max_users=2)
        self.handler = ControlHandler(make_context(self.measures, self.outbox), self.as_of, self.forgotten)
        rows = [("ann", "a", STAMP_MS / 1000 - 100)]
        batch = EventBatch.of(rows, span=Span("events", 0, 0, 0, 1))
        self.engine.learn(batch)
        self.as_of.learned(batch)


def serve(scene: Scene, *records: Control | bytes) -> None:
    async def story() -> None:
        learned = scene.handler.learn(scene.engine, scene.handler.decode(fetched("control", list(records))))
        written = await scene.handler.write(learned, asyncio.Event())
        await written.receipt.delivered()
        scene.handler.measure(written)

    asyncio.run(story())


def test_a_scenario_is_in_force_and_slates_say_so() -> None:
    scene = Scene()
    serve(scene, HOME)
    assert scene.engine.decisions.in_force(scene.engine.event_time) == ("default", "home")
    newest = scene.as_of.newest()
    assert newest is not None
    assert newest.rules == 0


def test_who_follows_knows_what_who_serves_knows() -> None:
    one, other = Scene(), Scene()
    serve(one, HOME, ERASED)
    other.handler.relearn(other.engine, fetched("control", [HOME, ERASED]))
    assert one.engine.digest() == other.engine.digest()
    assert one.forgotten.take() == other.forgotten.take()


def test_what_cannot_be_obeyed_is_a_dead_letter_and_the_former_rule_stays() -> None:
    scene = Scene()
    bad = Control("scenario", "home", 1.0, {"k": 0})
    serve(scene, HOME, bad)
    assert scene.engine.decisions.scenarios["home"].k == 3
    assert scene.outbox.topics() == ["dead-letters"]
    assert b"it is 0 (from 1 to 200)" in (scene.outbox.sent[0].value or b"")


def test_an_expression_that_does_not_compile_is_a_dead_letter_too_and_the_former_rule_stays() -> None:
    scene = Scene()
    bad = Control("scenario", "home", 1.0, {"k": 4, "filter": "price <"})
    wrong = Control("scenario", "home", 1.0, {"k": 5, "boosts": [{"when": "nosuch(price)", "factor": 2.0}]})
    serve(scene, HOME, bad, wrong)
    assert scene.engine.decisions.scenarios["home"].k == 3
    first, second = (letter.value or b"" for letter in scene.outbox.sent)
    assert b"filter: " in first
    assert b"boosts[0].when: no function is called 'nosuch'" in second


def test_what_an_erased_user_was_served_is_forgotten_too() -> None:
    scene = Scene()
    hashes = hash_ids(IdColumn.of(["ann"]))
    scene.measures.served.put(hashes, hash_ids(IdColumn.of(["a"])).reshape(1, 1))
    serve(scene, ERASED)
    assert not scene.measures.served.forget(int(hashes[0]))
    (known,) = scene.forgotten.take()
    assert (known.user_id, known.offset, known.n_events) == ("ann", 0, 1)
    assert scene.forgotten.take() == []


def test_who_waits_to_be_forgotten_elsewhere_is_bounded() -> None:
    scene = Scene()
    serve(scene, *(Control("erasure", hash_name(n + 1), 1.0, {}) for n in range(5)))
    assert [known.user_hash for known in scene.forgotten.take()] == [4, 5]
