"""What enters the engine, whoever has read it: each record once, in the present epoch, told in order."""

from __future__ import annotations

import asyncio

import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.replication.learn_gate import LearnGate, OutOfDate
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import GapError
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.partition import TopicPartition
from tests.consumers.parts import TINY, make_table


class Learner:
    """A handler that moves the engine's position, with the engine's own guard."""

    def relearn(self, engine: Engine, batch: Fetched) -> None:
        engine.learn(EventBatch.of([], span=batch.span()))


class Scene:
    """A gate with an engine, and what it told."""

    def __init__(self) -> None:
        self.table = make_table()
        self.core = Engine(TINY)
        self.engine = EngineThread(self.core)
        self.told: list[tuple[Span, int, int]] = []
        self.gate = LearnGate(self.table, {"events": Learner()}, self.engine, self._tell)

    def _tell(self, *told: object) -> None:
        self.told.append(told)

    def relearn(self, start: int, next_: int, epoch: int = 0) -> None:
        offsets = list(range(start, next_))
        self.gate.relearn(Fetched("events", 0, epoch, start, next_, offsets=offsets)).result(30)


def test_what_is_learned_is_told_once_with_the_first_offset_that_was_new() -> None:
    scene = Scene()
    scene.relearn(0, 10)
    scene.relearn(0, 10)
    scene.relearn(5, 15)
    told = [(span.start, span.next, first, n) for span, first, n in scene.told]
    assert told == [(0, 10, 0, 10), (5, 15, 10, 5)]
    assert scene.core.position["events", 0] == 15
    scene.engine.close()


def test_a_batch_of_an_epoch_that_has_passed_is_refused_also_when_it_was_queued_before() -> None:
    scene = Scene()
    scene.table.epochs.advance([TopicPartition("events", 0)])
    with pytest.raises(OutOfDate):
        scene.relearn(0, 10, epoch=0)
    scene.relearn(0, 10, epoch=1)
    assert len(scene.told) == 1
    scene.engine.close()


def test_a_gap_is_refused_and_nothing_is_told() -> None:
    scene = Scene()
    scene.relearn(0, 10)
    with pytest.raises(GapError):
        scene.relearn(11, 20)
    assert len(scene.told) == 1
    scene.engine.close()


def test_an_owned_batch_learns_as_its_handler_says_and_the_answer_comes_back() -> None:
    scene = Scene()
    batch = Fetched("events", 0, 0, 0, 3, offsets=[0, 2])

    def learn() -> str:
        Learner().relearn(scene.core, batch)
        return "learned"

    assert scene.gate.take(scene.core, batch, learn) == "learned"
    assert [(first, n) for _, first, n in scene.told] == [(0, 2)]
    scene.engine.close()


def test_offsets_that_are_gone_are_passed_over_and_said(capfd: pytest.CaptureFixture[str]) -> None:
    scene = Scene()
    scene.relearn(0, 10)
    asyncio.run(scene.gate.pass_over(Fetched("events", 0, 0, 10, 50)))
    assert scene.core.position["events", 0] == 50
    assert "records=40" in "".join(capfd.readouterr())
    scene.engine.close()


def test_passing_over_a_partition_that_was_taken_away_meanwhile_does_nothing() -> None:
    scene = Scene()
    scene.table.epochs.advance([TopicPartition("events", 0)])
    asyncio.run(scene.gate.pass_over(Fetched("events", 0, 0, 0, 50)))
    assert scene.core.position == {}
    scene.engine.close()
