"""Compile every kernel once, so that the first event does not wait.

At the first start on a machine with several cores another process, `python -m stream_rec.engine.warm`, compiles what
slates need while this one compiles learning; neither compiles what the other has begun (`kernels.cache_claims`).
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache, wraps
from typing import Any

import numpy as np

from stream_rec.engine.catalogue import windows
from stream_rec.engine.compile_log import told
from stream_rec.engine.engine import Engine
from stream_rec.engine.fold.learn import advance
from stream_rec.engine.fold.slates import recommend
from stream_rec.feedback import warm as measure
from stream_rec.kernels.cache_sums import is_missing
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span, VectorBatch, VectorChange
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Rerank, Rotation, Scenario
from stream_rec.settings import EngineSettings, EventTypeSettings, ScenarioSettings

_END_SECONDS = 30.0
"""That the other process has for what is left of its way, once this one has gone the whole of it."""
_MORE_THAN_THERE_IS = 1_000_000
"""Bytes of ids: another arena is made."""


def once(work: Callable[[], None]) -> Callable[[], None]:
    """Work that is done once in a process: kernels that are loaded are so for its engines to come, and for its forks.

    Who calls while another thread does it waits until it is done. What it raises is not remembered.
    """
    done, turn = cache(work), threading.Lock()

    @wraps(work)
    def only_once() -> None:
        with turn:
            done()

    return only_once


@once
def warm_up() -> None:
    """Run a few events through learning and ranking; a second once compiled, minutes before. Once in a process."""
    with told(), _beside() if _is_first_start() else nullcontext(), _few_collections():
        _learn_and_answer()


def _is_first_start() -> bool:
    return is_missing(advance) and is_missing(recommend) and len(os.sched_getaffinity(0)) > 1


@contextmanager
def _beside() -> Iterator[None]:
    try:
        other = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE)
    except OSError:  # no memory for another process, or no interpreter to start: all is compiled here
        yield
        return
    with other:
        try:
            yield
            # All is compiled by now, but what it saved last may lack its checksum: it would be compiled again.
            with suppress(subprocess.TimeoutExpired):
                other.wait(_END_SECONDS)
        finally:
            other.kill()


def _work_beside() -> None:
    """What needs nothing that was learned: first what the other process comes to last."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    engine = _engine()
    with _few_collections():
        measure.warm_up()
        _change_items(engine)
        _answer(engine)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


@contextmanager
def _few_collections() -> Iterator[None]:
    """The compiler makes millions of objects that stay, and need not be looked through again and again."""
    usual = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _engine() -> Engine:
    scenarios = {"default": ScenarioSettings()}
    types = {"hide": EventTypeSettings(meaning="never")}
    bounds: dict[str, Any] = {"max_users": 64, "max_items": 64, "train_sample": 1.0}
    bounds |= {"exact_below_items": 16, "index_refresh_events": 16}  # so that the index is trained
    return Engine(EngineSettings(scenarios=scenarios, event_types=types, **bounds))


def _learn_and_answer() -> None:
    engine = _engine()
    rows = [(f"u{i % 5}", f"i{i % 41}", float(i)) for i in range(150)]
    engine.learn(EventBatch.of(rows + rows[:9], event_ids=[f"{row}" for row in rows + rows[:9]]))
    _answer(engine)
    engine.similar("i1", 5)
    _change_items(engine)
    later = [("u2", f"i{i % 41}", 300.0 + i) for i in range(windows.EVERY)]
    engine.learn(EventBatch.of(later, event_type="hide", span=Span("events", 1, 0, 0, len(later))))
    engine.decisions.scenarios = {"own": Scenario(logic="recently_viewed")}
    engine.encoded(["u1"], scenario="own")
    engine.new(3)
    engine.nevers(["u2"])
    values = np.array([1.0, 2.0], np.float32)
    given = [VectorChange(at, 0, "space", f"i{3 + at}", values) for at in range(2)]
    engine.learn_vectors(VectorBatch(Span("vectors", 0, 0, 0, 2), given))
    engine.near("space", ["i3"], 1)
    engine.forget_user("u2")
    engine.held.make_room(_MORE_THAN_THERE_IS, 0)
    _warm_up_arms(engine)
    measure.warm_up()


def _answer(engine: Engine) -> None:
    engine.encoded(["u1", "unknown"])
    engine.decisions.scenarios = {
        "ruled": Scenario(filter="true", rotation=Rotation(), rerank=Rerank("", ""))
    }
    engine.recommend(["u1", "unknown"], scenario="ruled")
    engine.fades("ruled", 0, np.zeros(1, np.int32))


def _change_items(engine: Engine) -> None:
    items = [
        ItemChange(0, 0, "i1", Item("i1", ts=1.0, tags=("a",), available_until=250.0)),
        ItemChange(1, 0, "i2", None),
    ]
    engine.upsert_items(ItemBatch(Span("items", 0, 0, 0, 2), items))


def _warm_up_arms(engine: Engine) -> None:
    """An experiment whose arm ranks by itself."""
    arms = Experiment((Arm("a"), Arm("b", sources=("popularity",))), state="running", started=1.0)
    engine.decisions.experiments = {"warm": arms}
    late = [(f"u{i % 5}", f"i{i % 7}", 10_000.0 + i) for i in range(5)]
    engine.learn(EventBatch.of(late, span=Span("events", 2, 0, 0, len(late))))
    engine.attribution.follow(engine.decisions.experiments)
    engine.attribution.trials.load(engine.attribution.trials.arrays())


if __name__ == "__main__":
    _work_beside()
